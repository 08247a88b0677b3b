import type { Socket } from 'node:net'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { followArrivals } from '../support/arrivals.ts'
import { eventually } from '../support/eventually.ts'
import { ask, open, type Question } from '../support/exchange.ts'
import { type Gateway, startOneGateway } from '../support/gateway.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { listRecords, stateOf } from '../support/records.ts'
import { provideRedis } from '../support/redis/provided-server.ts'
import { readStats } from '../support/stats.ts'

const upstream = await startRawUpstream()
afterAll(upstream.stop)
const redis = await provideRedis()

const path = '/v1/chat/completions'
const hello = 'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

/** What the provider sees of its calls. */
interface Provider {
  readonly calls: Socket[]
  /** When connections ended under it, on the clock of `performance`. */
  readonly cutAtMs: number[]
  finish(call: number): void
}

/** Answers every call with a stream that goes on until the test ends it; or, `silent`, with nothing. */
function provide(how: 'streaming' | 'silent' = 'streaming'): Provider {
  const calls: Socket[] = []
  const cutAtMs: number[] = []
  upstream.answerWith(socket => {
    calls.push(socket)
    socket.once('close', () => cutAtMs.push(performance.now()))
    if (how === 'streaming') socket.write(head + chunk(hello))
  })
  const finishCall = (call: number): void => {
    const socket = calls[call]
    if (how === 'silent') socket?.write(head + chunk(hello))
    socket?.write(`${chunk(finish)}0\r\n\r\n`)
  }
  return { calls, cutAtMs, finish: finishCall }
}

function asking(key: string | undefined): Question {
  const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json' }
  return { headers: key === undefined ? headers : { ...headers, 'Idempotency-Key': key }, body: '{"stream":true}' }
}

/** Begins a stream, and reads its first event. */
async function begin(gateway: Gateway, key: string | undefined): Promise<{ leave(): void; outcome: unknown }> {
  const response = await open(gateway.url + path, asking(key))
  await followArrivals(response).until('Hello')
  response.on('error', () => {})
  return { leave: () => void response.destroy(), outcome: response.headers['retrysafe-outcome'] }
}

/** A call without an answer yet. */
function call(gateway: Gateway, key: string | undefined): { leave(): void; done: Promise<string> } {
  const leaving = new AbortController()
  const done = ask(gateway.url + path, { ...asking(key), signal: leaving.signal }).then(
    answer => `${answer.headers['retrysafe-outcome']} ${answer.text}`,
    () => 'left',
  )
  return { leave: () => leaving.abort(), done }
}

const lost = '1 run(s) stopped because nobody waited for them any more (--on-disconnect): billed and lost'

describe.each([
  ['memory', ['--store', 'memory:']],
  ['LMDB', []],
])('on %s, --on-disconnect cancel', async (_name, store) => {
  const gateway = await startOneGateway(upstream.url, ['--on-disconnect', 'cancel', ...store])
  afterAll(gateway.stop)

  test('stops a stream at the provider within 200 ms of its leaving, and says that it is lost', async () => {
    const provider = provide()
    const stream = await begin(gateway, 'alone')
    const leftAtMs = performance.now()
    stream.leave()
    await eventually(() => provider.cutAtMs).toHaveLength(1)
    expect((provider.cutAtMs[0] ?? Number.POSITIVE_INFINITY) - leftAtMs).toBeLessThan(200)
    await eventually(() => gateway.stderr()).toContain(lost)
    // Its key is free, and a retry is a run of its own.
    const again = call(gateway, 'alone')
    await eventually(() => provider.calls).toHaveLength(2)
    provider.finish(1)
    expect(await again.done).toBe(`executed ${hello}${finish}`)
    // A tenant that has had an answer has its losses counted.
    const next = await begin(gateway, 'counted')
    const { lost: before } = (await readStats(gateway.admin)).ledger.totals
    next.leave()
    const lostCalls = async (): Promise<number> => (await readStats(gateway.admin)).ledger.totals.lost.calls
    await eventually(lostCalls).toBe(before.calls + 1)
  })

  test('stops a call that has no head yet', async () => {
    const provider = provide('silent')
    const one = call(gateway, 'no-head')
    await eventually(() => provider.calls).toHaveLength(1)
    one.leave()
    await eventually(() => provider.cutAtMs).toHaveLength(1)
    await eventually(() => stateOf(gateway.admin, 'no-head')).not.toBe('running')
  })

  test('does not stop what somebody else has joined, before its head or after it', async () => {
    const provider = provide('silent')
    const first = call(gateway, 'joined')
    await eventually(() => provider.calls).toHaveLength(1)
    const second = call(gateway, 'joined')
    // What comes behind it on the same listener has been served: it is waiting by then.
    const other = call(gateway, 'other')
    await eventually(() => provider.calls).toHaveLength(2)
    first.leave()
    expect(await first.done).toBe('left')
    provider.finish(0)
    expect(await second.done).toBe(`joined ${hello}${finish}`)
    other.leave()
    await eventually(() => provider.cutAtMs).toHaveLength(1)
    expect(provider.calls).toHaveLength(2)
  })

  test('without a key, too: nothing is kept, the provider is stopped', async () => {
    const provider = provide()
    const before = (await listRecords(gateway.admin)).length
    const stream = await begin(gateway, undefined)
    stream.leave()
    await eventually(() => provider.cutAtMs).toHaveLength(1)
    expect(await listRecords(gateway.admin)).toHaveLength(before)
  })
})

describe('on LMDB', () => {
  test('grace stops what nobody has come back for, and not what somebody has; without a key it holds as well', async () => {
    const provider = provide()
    const gateway = await startOneGateway(upstream.url, ['--on-disconnect', 'grace:500ms', '--keyless', 'pass'])
    onTestFinished(gateway.stop)
    const stream = await begin(gateway, 'back')
    stream.leave()
    const back = await begin(gateway, 'back')
    const leftAtMs = performance.now()
    for (const key of ['alone', undefined]) (await begin(gateway, key)).leave()
    await eventually(() => provider.cutAtMs).toHaveLength(2)
    for (const cutAtMs of provider.cutAtMs) expect(cutAtMs - leftAtMs).toBeGreaterThan(499)
    expect([provider.calls[0]?.destroyed, back.outcome]).toEqual([false, 'joined'])
    back.leave()
    await eventually(() => provider.cutAtMs).toHaveLength(3)
  })

  test('finish, where it is said, also holds without a key', async () => {
    const provider = provide()
    const gateway = await startOneGateway(upstream.url, ['--on-disconnect', 'finish', '--keyless', 'pass'])
    onTestFinished(gateway.stop)
    const left = await begin(gateway, undefined)
    left.leave()
    const next = await begin(gateway, undefined)
    provider.finish(0)
    // Its connection is whole, and serves the next call.
    next.leave()
    const last = call(gateway, undefined)
    await eventually(() => provider.calls).toHaveLength(3)
    provider.finish(2)
    expect(await last.done).toBe(`undefined ${hello}${finish}`)
    expect(provider.cutAtMs).toEqual([])
  })

  test('auto under --keyless fingerprint stops what nobody else has asked for, and not what somebody has joined', async () => {
    const provider = provide()
    const gateway = await startOneGateway(upstream.url, ['--keyless', 'fingerprint'])
    onTestFinished(gateway.stop)
    const [first, second] = [await begin(gateway, undefined), await begin(gateway, undefined)]
    expect([first.outcome, second.outcome]).toEqual(['executed', 'joined'])
    first.leave()
    const third = await begin(gateway, undefined)
    expect([third.outcome, provider.calls.length, provider.cutAtMs]).toEqual(['joined', 1, []])
    second.leave()
    third.leave()
    await eventually(() => provider.cutAtMs).toHaveLength(1)
  })

  test('under --on-crash fail what was stopped is unknown', async () => {
    provide()
    const gateway = await startOneGateway(upstream.url, ['--on-disconnect', 'cancel', '--on-crash', 'fail'])
    onTestFinished(gateway.stop)
    const stream = await begin(gateway, 'unknown')
    stream.leave()
    await eventually(() => stateOf(gateway.admin, 'unknown')).toBe('unknown')
    expect((await ask(gateway.url + path, asking('unknown'))).status).toBe(424)
  })
})

test('two gateways on Redis: who has joined at the other one keeps the run, and when they leave it is stopped', async () => {
  const provider = provide()
  const flags = ['--store', redis, '--on-disconnect', 'cancel']
  const [one, other] = await Promise.all([startOneGateway(upstream.url, flags), startOneGateway(upstream.url, flags)])
  onTestFinished(async () => void (await Promise.all([one.stop(), other.stop()])))
  const stream = await begin(one, 'shared')
  const joined = await begin(other, 'shared')
  expect(joined.outcome).toBe('joined')
  const alone = await begin(one, 'alone')
  stream.leave()
  alone.leave()
  // The one that nobody else follows is stopped; what decided that has decided about the other, too.
  await eventually(() => provider.calls.map(socket => socket.destroyed)).toEqual([false, true])
  const third = await begin(other, 'shared')
  joined.leave()
  provider.finish(0)
  expect(third.outcome).toBe('joined')
  await eventually(() => stateOf(other.admin, 'shared')).toBe('completed')
  third.leave()

  const again = await begin(one, 'left')
  const elsewhere = await begin(other, 'left')
  again.leave()
  elsewhere.leave()
  await eventually(() => provider.calls[2]?.destroyed).toBe(true)
})
