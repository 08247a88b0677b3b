import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cutHeader, startCuttingProxy } from '../support/cutting-proxy.ts'
import { startGateway } from '../support/gateway.ts'
import { startSandbox } from '../support/sandbox.ts'
import { type Cells, type Row, rows } from './client-rows.ts'
import { type Call, type CallTerms, type End, type Runtime, runtimes, type SdkHost, startSdkHost } from './sdk-host.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
const honouring = await startSandbox(0, ['--idempotent'])
afterAll(honouring.stop)
const gateway = await startGateway(sandbox.url, ['--upstream-timeout', '5s'])
afterAll(gateway.stop)

/** In the order of `Cells`. */
const places = [
  { url: sandbox.url, meter: sandbox.meter, honoursKeys: false },
  { url: honouring.url, meter: honouring.meter, honoursKeys: true },
  { url: gateway.url, meter: sandbox.meter, honoursKeys: true },
]
type Place = (typeof places)[number]
/** Who retries: `createFetch`, or the SDK. */
type Who = 'ours' | 'own'

const proxy = await startCuttingProxy({ host: '127.0.0.1', port: Number(new URL(gateway.url).port) })
afterAll(proxy.stop)
const line: Place = { url: proxy.url, meter: sandbox.meter, honoursKeys: false }
/** Bytes of the answer: in its head, and in its body. */
const cutBytes = [0, 200, 1_100, 1_400, 1_700]

const text = 'one two three four five six'
const retries = 3
const patienceMs = 2_000
const apis = [
  { driver: 'openai', api: 'chat', tells: true },
  { driver: 'anthropic', api: 'messages', tells: true },
  { driver: 'ai', api: 'openai chat', tells: false },
]
const warning =
  'the SDK above createFetch() retries too, each time with a new key: give it maxRetries: 0 (sdkOptions does)'

describe.each(runtimes)('Node $node', runtime => {
  const some = rows.filter(row => runtime === runtimes[0] || row.isSmoke)
  const sightings = new Map<string, Sighting>()
  beforeAll(async () => {
    await Promise.all(apis.map(async ({ driver, api }) => sightings.set(driver, await see(runtime, driver, api, some))))
  })

  describe.each(apis)('$driver: $api', ({ driver, tells }) => {
    test.each(some)('$fault, $how', row => {
      expect(sightings.get(driver)?.rows.get(row)).toEqual({ ours: row.ours, own: ownOf(row, driver) })
    })

    test('a stream whose connection to the gateway is cut comes whole, in one run; the SDK loses it', () => {
      const inHead = { ours: 'whole 1', own: 'whole 1' }
      const inBody = { ours: 'whole 1', own: 'fails 1' }
      expect(sightings.get(driver)?.cuts).toEqual([inHead, inHead, inBody, inBody, inBody])
    })

    test('two layers of retries multiply, and createFetch() says so once', () => {
      const end = sightings.get(driver)?.layered
      expect(end?.kind).toBe('failed')
      expect(end?.client).toEqual({ calls: 3, attempts: 6, ambiguous: 6, resumes: 0, warnings: tells ? [warning] : [] })
      // A key is drawn for each of the SDK's attempts.
      const keys = end?.exchanges.map(({ key }) => key)
      expect([keys?.length, new Set(keys).size]).toEqual([6, 3])
    })
  })
})

/** What came of the calls of one SDK on one Node. */
interface Sighting {
  readonly rows: ReadonlyMap<Row, { readonly ours: readonly string[]; readonly own: readonly string[] }>
  readonly cuts: readonly { readonly ours: string; readonly own: string }[]
  readonly layered: End
}

/** A call that was made. */
interface Made {
  readonly key: string
  readonly place: Place
  readonly call: Call
}

async function see(runtime: Runtime, driver: string, api: string, some: readonly Row[]): Promise<Sighting> {
  const host = await startSdkHost(runtime, driver)
  const name = `${runtime.node}-${driver}`
  const layers = { retries: 2, client: { retries: 1, baseDelayMs: 1, budget: false } } as const
  const headers = { 'Sandbox-Fault': 'cut-before-head' }
  try {
    const layered = host.start({ api, how: 'plain', url: sandbox.url, text, headers, ...layers }).end
    const cuts = cutBytes.map(bytes => seeCut(host, api, bytes, name))
    const seen: [Row, { ours: readonly string[]; own: readonly string[] }][] = []
    await eachOf(some, async row => {
      seen.push([row, await seeRow(host, api, row, ownOf(row, driver), name)])
    })
    return { rows: new Map(seen), cuts: await Promise.all(cuts), layered: await layered }
  } finally {
    host.stop()
  }
}

async function seeRow(
  host: SdkHost,
  api: string,
  row: Row,
  own: Cells,
  name: string,
): Promise<Record<Who, readonly string[]>> {
  const callsOf = (who: Who): readonly Made[] =>
    places.map((place, at) => {
      const key = `${name}-${row.fault}-${row.how}-${who}${at}`.replace(/[^\w-]+/g, '-')
      return { key, place, call: host.start({ api, ...termsOf(row, place, key, who) }) }
    })
  const [ours, owns] = [callsOf('ours'), callsOf('own')]
  // Only then is there something to say of those that wait.
  const oursCells = await Promise.all(ours.map(cellOf))
  const ownCells = owns.map((made, at) => (own[at]?.startsWith('waits') ? waitingCellOf(made) : cellOf(made)))
  return { ours: oursCells, own: await Promise.all(ownCells) }
}

async function seeCut(host: SdkHost, api: string, bytes: number, name: string): Promise<Record<Who, string>> {
  const cellFor = (who: Who): Promise<string> => {
    const key = `${name}-cut-${bytes}-${who}`
    const { headers, ...terms } = termsOf({ fault: 'gap=5ms', how: 'stream' }, line, key, who)
    const call = host.start({ api, ...terms, headers: { ...headers, [cutHeader]: `${key}/${bytes}` } })
    return cellOf({ key, place: line, call })
  }
  const [ours, own] = await Promise.all([cellFor('ours'), cellFor('own')])
  return { ours, own }
}

function ownOf(row: Row, driver: string): Cells {
  return driver === 'ai' ? (row.ownOfAi ?? row.own) : row.own
}

/** With `createFetch` its retries and time-outs, without it the SDK's. */
function termsOf(
  row: Pick<Row, 'fault' | 'how' | 'isTimed'>,
  { url, honoursKeys }: Place,
  key: string,
  who: Who,
): Omit<CallTerms, 'api'> {
  const { how, fault, isTimed = false } = row
  const terms = { how, url, text, headers: { 'Idempotency-Key': key, 'Sandbox-Fault': fault } }
  if (who === 'own') return { ...terms, retries, ...(isTimed && { timeoutMs: patienceMs }) }
  const times = isTimed ? { headTimeoutMs: patienceMs, silenceTimeoutMs: patienceMs } : {}
  return { ...terms, retries: 0, client: { retries, baseDelayMs: 20, budget: false, honoursKeys, ...times } }
}

async function cellOf({ key, place, call }: Made): Promise<string> {
  const end = await call.end
  const isWhole = /^Run \d+: you said: (.*)$/.exec(end.text)?.[1] === text
  const came = end.kind === 'failed' ? 'fails' : isWhole ? 'whole' : 'part'
  return `${came} ${await place.meter.runs(key)}`
}

/** Of a call that nobody but its caller would end. */
async function waitingCellOf(made: Made): Promise<string> {
  return made.call.isOver() ? cellOf(made) : `waits ${await made.place.meter.runs(made.key)}`
}

/** Some at a time: time-outs are to measure the fault, not the load. */
async function eachOf<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values()
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      for (const item of rest) await act(item)
    }),
  )
}
