import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { createFetch, type Fetch } from 'retrysafe/client'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { cutHeader, startCuttingProxy } from '../support/cutting-proxy.ts'
import { makeStore, startGateway, startOneGateway, takeoverLease } from '../support/gateway.ts'
import { waitForLapse } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'
import { formats, type StreamFormat } from '../support/stream-formats.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
const gateway = await startGateway(sandbox.url)
afterAll(gateway.stop)
const { hostname: host, port } = new URL(gateway.url)
const proxy = await startCuttingProxy({ host, port: Number(port) })
afterAll(proxy.stop)

/** When an answer is cut: as its run comes, frame upon frame; while the run goes on; in a replay. */
type Moment = 'at once' | 'going' | 'replay'

/** A prime that no frame's length is a multiple of. In CI every byte of one format is tried, and so many of the others. */
const step = 53
// All that there are take 8 min of CPU: RETRYSAFE_CUTS=every npx vitest run test/e2e/client-streams.test.ts
const isEvery = process.env.RETRYSAFE_CUTS === 'every'

describe.each(formats)('$name', format => {
  const isWhole = isEvery || format.name === 'OpenAI chat'

  test.each<[Moment, number]>([
    ['at once', isWhole ? 1 : step],
    ['going', isEvery ? 1 : step],
    ['replay', isEvery ? 1 : step],
  ])(
    '%s, cut at every byte (step %i): the reader has the whole answer, and its run is one',
    async (moment, every) => {
      const client = createFetch({ retries: 6, baseDelayMs: 10, budget: false })
      const before = proxy.struck()
      const cuts = cutsOf(0, format.mostBytes, every)
      const { torn, runs } = await readCut(format, cuts, moment, client)
      expect(torn).toEqual([])
      expect(runs).toEqual(cuts.map(() => 1))
      const struck = proxy.struck() - before
      expect(struck).toBeGreaterThanOrEqual(Math.floor(2_048 / every))
      expect(struck).toBeLessThan(cuts.length)
      const { attempts, resumes } = client.counts()
      expect(resumes).toBeGreaterThan(struck / 2)
      expect(attempts + resumes).toBeGreaterThanOrEqual(cuts.length + struck)
    },
    600_000,
  )

  test('control: of the same cuts, none leaves a whole answer to a plain fetch', async () => {
    const cuts = cutsOf(0, 1_900, step)
    const { torn, runs } = await readCut(format, cuts, 'at once', globalThis.fetch)
    expect(torn.map(({ cut }) => cut).toSorted((one, other) => one - other)).toEqual(cuts)
    expect(runs).toEqual(cuts.map(() => 1))
  })
})

function cutsOf(from: number, to: number, every: number): readonly number[] {
  return Array.from({ length: Math.ceil((to - from) / every) }, (_, at) => from + at * every)
}

interface Torn {
  readonly cut: number
  readonly came: string
}

let series = 0

/** One call for each cut, some at a time: those that did not come whole, and how often each was run. */
async function readCut(
  format: StreamFormat,
  cuts: readonly number[],
  moment: Moment,
  fetch: Fetch,
): Promise<{ torn: readonly Torn[]; runs: readonly (number | undefined)[] }> {
  series += 1
  const name = `series-${series}`
  const torn: Torn[] = []
  const ask = format.open(proxy.url, fetch)
  const askStraight = format.open(gateway.url, globalThis.fetch)
  const fault = moment === 'going' ? { 'Sandbox-Fault': 'gap=2ms' } : {}
  const rest = cuts.values()

  async function readOne(cut: number): Promise<void> {
    const headers = { 'Idempotency-Key': `${name}-${cut}`, ...fault }
    if (moment === 'replay') await askStraight(format.says, headers)
    const came = await ask(format.says, { ...headers, [cutHeader]: `${name}-${cut}/${cut}` }).catch(String)
    const text = /^Run \d+: you said: (.*)$/.exec(format.textIn(came) ?? '')?.[1]
    // Where bytes are read, they are those of a replay.
    if (text !== format.says || (came !== format.textIn(came) && came !== (await askStraight(format.says, headers))))
      torn.push({ cut, came })
  }

  await Promise.all(
    Array.from({ length: 24 }, async () => {
      for (const cut of rest) await readOne(cut)
    }),
  )
  const { byKey } = await sandbox.meter.all()
  return { torn, runs: cuts.map(cut => byKey[`${name}-${cut}`]?.runs) }
}

describe('a gateway that is killed in the middle of a stream, and started anew', () => {
  const words = Array.from({ length: 40 }, (_, at) => `w${at}`).join(' ')

  test.each([
    ['before anybody has run it again, it is unknown', false, 'STREAM_UNKNOWN'],
    ['when it has run again, it is superseded', true, 'STREAM_SUPERSEDED'],
  ])('%s: an error for its reader, never a splice', async (_, runsAgain, code) => {
    const key = `killed-${code}`
    const flags = [...(await makeStore()), '--lease', takeoverLease]
    const killed = await startOneGateway(sandbox.url, flags)
    const place = { host, port: Number(new URL(killed.url).port) }
    const line = await startTcpProxy(place)
    onTestFinished(line.stop)
    const client = createFetch({ retries: 6, baseDelayMs: 10, budget: false })
    const through = openAi(`http://${line.host}:${line.port}`, { fetch: client })
    const stream = await through.chat.completions.create(streamedChat(words), keyed(key, 'gap=20ms'))
    const chunks = stream[Symbol.asyncIterator]()
    const text = await take(chunks, 8)

    // Its reader hears of the end when there is somebody to ask.
    line.stall()
    await killed.kill()
    const anew = await startOneGateway(sandbox.url, flags)
    onTestFinished(anew.stop)
    await waitForLapse(anew.admin)
    const again = async (): Promise<string> =>
      takeAll((await openAi(anew.url).chat.completions.create(streamedChat(words), keyed(key)))[Symbol.asyncIterator]())
    if (runsAgain) await again()
    place.port = Number(new URL(anew.url).port)
    line.resume()
    const { text: rest, error } = await readToError(chunks)
    expect(error).toMatchObject({ code })
    const [run, said] = splitAnswer(text + rest)
    expect(`${words} `.startsWith(said)).toBe(true)
    expect(await sandbox.meter.runs(key)).toBe(runsAgain ? 2 : 1)
    expect(splitAnswer(await again())).toEqual([run + 1, words])
    expect(await sandbox.meter.runs(key)).toBe(2)
  })
})

function splitAnswer(text: string): readonly [run: number, said: string] {
  const [, run, said = ''] = /^Run (\d+): you said: (.*)$/.exec(text) ?? []
  return [Number(run), said]
}

async function readToError(chunks: AsyncIterator<ChatCompletionChunk>): Promise<{ text: string; error: unknown }> {
  let text = ''
  for (;;) {
    try {
      text += await take(chunks, 1)
    } catch (error) {
      return { text, error }
    }
  }
}
