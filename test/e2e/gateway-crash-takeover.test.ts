import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStore, startGateway, takeoverLease } from '../support/gateway.ts'
import { recordOf, stateOf, waitForLapse } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)

const words = Array.from({ length: 40 }, (_, at) => `w${at}`).join(' ')
const unknown = { status: 424, code: 'OUTCOME_UNKNOWN', shouldRetry: 'false' }
const graceMs = 2_000

/** Two gateways on one store. */
async function startPair(...flags: string[]): Promise<[Gateway, Gateway]> {
  const all = [...(await makeStore()), '--lease', takeoverLease, ...flags]
  const pair = await Promise.all([startGateway(sandbox.url, all), startGateway(sandbox.url, all)])
  for (const gateway of pair) onTestFinished(gateway.stop)
  return pair
}

function charge(gateway: Gateway, key: string, fault = '', more: Record<string, string> = {}): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault, ...more }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}' })
}

/** Waits in `gateway` for a run elsewhere. A later call that would not wait has been refused: this one waits by now. */
async function waitIn(gateway: Gateway, key: string, fault: string): Promise<{ answer: Promise<Answer> }> {
  const answer = charge(gateway, key, fault)
  answer.catch(() => {})
  const hurried = await charge(gateway, key, fault, { 'Retrysafe-Wait': '0' })
  expect(problemOf(hurried)).toEqual({ status: 409, code: 'IN_FLIGHT', shouldRetry: 'true' })
  return { answer }
}

async function openStream(gateway: Gateway, key: string, fault: string) {
  const client = openAi(gateway.url)
  const { data, response } = await client.chat.completions.create(streamedChat(words), keyed(key, fault)).withResponse()
  return { chunks: data[Symbol.asyncIterator](), outcome: response.headers.get('retrysafe-outcome') }
}

async function readStream(gateway: Gateway, key: string, fault: string): Promise<string> {
  return takeAll((await openStream(gateway, key, fault)).chunks)
}

test('rerun: who waits in another gateway takes over, and runs once', async () => {
  const [killed, other] = await startPair()
  const fault = 'hang, times=1'
  const broken = expect(charge(killed, 'waited', fault)).rejects.toThrow()
  await eventually(() => sandbox.meter.runs('waited')).toBe(1)
  const waiters = [await waitIn(other, 'waited', fault), await waitIn(other, 'waited', fault)]
  await killed.kill()
  await broken
  const answers = await Promise.all(waiters.map(waiter => waiter.answer))
  expect(answers.map(answer => answer.text)).toEqual(Array(2).fill('{"effect":"charge","run":2,"count":2}'))
  expect(answers.map(answer => answer.headers['retrysafe-outcome']).sort()).toEqual(['executed', 'joined'])
  expect(await sandbox.meter.runs('waited')).toBe(2)
})

test('fail: who waits in another gateway gets the 424, and runs nothing', async () => {
  const [killed, other] = await startPair('--on-crash', 'fail')
  const broken = expect(charge(killed, 'waited', 'hang, times=1')).rejects.toThrow()
  await eventually(() => sandbox.meter.runs('waited')).toBe(1)
  const waiter = await waitIn(other, 'waited', 'hang, times=1')
  await killed.kill()
  await broken
  expect(problemOf(await waiter.answer)).toEqual(unknown)
  expect(await stateOf(other.admin, 'waited')).toBe('unknown')
  expect(await sandbox.meter.runs('waited')).toBe(1)
})

test('a stream is joined live from another gateway; the joiner’s connection breaks with the run, and is never spliced', async () => {
  const [killed, other] = await startPair()
  const fault = 'gap=30ms'
  const first = await openStream(killed, 'joined', fault)
  expect(await take(first.chunks, 3)).toBe('Run 1: ')
  let firstIsOver = false
  const firstEnd = expect(
    takeAll(first.chunks).finally(() => {
      firstIsOver = true
    }),
  ).rejects.toThrow()
  const joiner = await openStream(other, 'joined', fault)
  expect(joiner.outcome).toBe('joined')
  const seen = await take(joiner.chunks, 8)
  expect(seen).toBe('Run 1: you said: w0 w1 w2 ')
  expect(firstIsOver).toBe(false)

  await killed.kill()
  await firstEnd
  let after = ''
  const rest = (async () => {
    for (;;) after += await take(joiner.chunks, 1)
  })()
  // Not by the end of the stream, after which `take` would say so.
  await expect(rest).rejects.toThrow('terminated')
  expect(`Run 1: you said: ${words}`.startsWith(seen + after)).toBe(true)
  expect(seen + after).not.toBe(`Run 1: you said: ${words}`)

  expect(await readStream(other, 'joined', fault)).toBe(`Run 2: you said: ${words}`)
  expect(await sandbox.meter.runs('joined')).toBe(2)
})

test('--max-attempts 2: after a second kill in mid-stream the third call is a 424, and listed', async () => {
  const flags = [...(await makeStore()), '--lease', takeoverLease, '--max-attempts', '2']
  for (const run of [1, 2]) {
    const killed = await startGateway(sandbox.url, flags)
    await waitForLapse(killed.admin)
    const stream = await openStream(killed, 'capped', 'hang, cut-after=5, times=2')
    expect(await take(stream.chunks, 5)).toBe(`Run ${run}: you said: `)
    await killed.kill()
    await expect(takeAll(stream.chunks)).rejects.toThrow()
  }
  const third = await startGateway(sandbox.url, flags)
  onTestFinished(third.stop)
  await waitForLapse(third.admin)
  const retry = readStream(third, 'capped', 'hang, cut-after=5, times=2')
  await expect(retry).rejects.toMatchObject({ status: 424, code: 'OUTCOME_UNKNOWN' })
  expect(await (await fetch(`${third.admin}/api/v1/unknown`)).text()).toContain('"key":"capped"')
  expect(await sandbox.meter.runs('capped')).toBe(2)
})

test('a gateway that stands still is taken over after lease and grace, and what it brings afterwards is lost', async () => {
  const [stopped, other] = await startPair('--lease', '1s')
  const faults = { plain: 'delay=3s, times=1', stream: 'hang, cut-after=5, times=1' }
  const plain = charge(stopped, 'plain', faults.plain)
  const stream = await openStream(stopped, 'stream', faults.stream)
  expect(await take(stream.chunks, 5)).toMatch(/^Run \d: you said: $/)
  await eventually(() => sandbox.meter.runs('plain')).toBe(1)
  const waiter = await waitIn(other, 'plain', faults.plain)
  stopped.pause()

  const seenMs = performance.now()
  const leaseLeftMs = (await recordOf(other.admin, 'plain'))?.leaseLeftMs ?? Number.NaN
  const successor = await waiter.answer
  expect(performance.now() - seenMs).toBeGreaterThanOrEqual(leaseLeftMs + graceMs)
  expect([successor.status, successor.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
  const leftMs = async (): Promise<number> => (await recordOf(other.admin, 'stream'))?.leaseLeftMs ?? Number.NaN
  await eventually(leftMs).toBeLessThan(-graceMs)
  const whole = await readStream(other, 'stream', faults.stream)
  expect(whole).toMatch(/^Run \d: you said: w0 .* w39$/)

  stopped.resume()
  const late = await plain
  expect([late.text, late.headers['retrysafe-outcome']]).toEqual([successor.text, 'replayed'])
  await expect(takeAll(stream.chunks)).rejects.toThrow('terminated')
  for (const gateway of [stopped, other]) {
    const replay = await charge(gateway, 'plain', faults.plain)
    expect([replay.text, replay.headers['retrysafe-outcome']]).toEqual([successor.text, 'replayed'])
    expect(await readStream(gateway, 'stream', faults.stream)).toBe(whole)
  }
  expect([await sandbox.meter.runs('plain'), await sandbox.meter.runs('stream')]).toEqual([2, 2])
})

test('SIGTERM: one gateway drains and ends its stream whole, the other takes the calls, its duplicates too', async () => {
  const [drained, other] = await startPair()
  const stream = await openStream(drained, 'drained', 'gap=30ms')
  const beginning = await take(stream.chunks, 3)
  drained.terminate()
  await eventually(async () => (await ask(`${drained.admin}/readyz`, { method: 'GET' })).status).toBe(503)
  expect((await charge(other, 'meanwhile')).status).toBe(200)
  const joiner = await openStream(other, 'drained', 'gap=30ms')
  expect(joiner.outcome).toBe('joined')
  const whole = `Run 1: you said: ${words}`
  expect(await takeAll(joiner.chunks)).toBe(whole)
  expect(beginning + (await takeAll(stream.chunks))).toBe(whole)
  expect(await drained.exited).toEqual({ code: 0, signal: null })
  expect(await readStream(other, 'drained', 'gap=30ms')).toBe(whole)
  expect(await sandbox.meter.runs('drained')).toBe(1)
})

test('a second SIGTERM gives up the leases: who waits in the other gateway takes over', async () => {
  const [hurried, other] = await startPair()
  const fault = 'hang, times=1'
  const broken = expect(charge(hurried, 'given-up', fault)).rejects.toThrow()
  await eventually(() => sandbox.meter.runs('given-up')).toBe(1)
  const waiter = await waitIn(other, 'given-up', fault)
  hurried.terminate()
  await eventually(async () => (await ask(`${hurried.admin}/readyz`, { method: 'GET' })).status).toBe(503)
  hurried.terminate()
  expect(await hurried.exited).toEqual({ code: 1, signal: null })
  await broken
  expect((await waiter.answer).text).toBe('{"effect":"charge","run":2,"count":2}')
  expect(await sandbox.meter.runs('given-up')).toBe(2)
})
