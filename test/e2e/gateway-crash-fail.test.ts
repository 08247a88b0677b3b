import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { recordOf, stateOf } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, takeAll } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'
import { freePort } from '../support/upstream.ts'

const flags = ['--on-crash', 'fail', '--upstream-timeout', '1s']
const { sandbox, gateway } = await openStage(...flags)
const client = openAi(gateway.url)

function charge(url: string, key: string, fault: string): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault }
  return ask(`${url}/effects/charge`, { headers, body: '{"amount":5}' })
}

async function readStream(key: string, fault: string): Promise<string> {
  const stream = await client.chat.completions.create(streamedChat('one two three'), keyed(key, fault))
  return takeAll(stream[Symbol.asyncIterator]())
}

async function resolve(key: string): Promise<Answer> {
  const record = await recordOf(gateway.admin, key)
  const headers = { 'Content-Type': 'application/json' }
  return ask(`${gateway.admin}/api/v1/records/${record?.id}/resolve`, { headers, body: '{"as":"free"}' })
}

const unknown = { status: 424, code: 'OUTCOME_UNKNOWN', shouldRetry: 'false' }

test('control: under rerun the retry of a cut charge is a second charge', async () => {
  const rerun = await startGateway(sandbox.url)
  onTestFinished(rerun.stop)
  expect((await charge(rerun.url, 'rerun', 'cut-after=5, times=1')).status).toBe(502)
  expect((await charge(rerun.url, 'rerun', 'cut-after=5, times=1')).status).toBe(200)
  expect(await sandbox.meter.runs('rerun')).toBe(2)
})

describe.each([
  ['cut in its body', 'cut-after=5, times=1', 1],
  ['cut before its head', 'cut-before-head, times=1', 1],
  ['never given', 'hang, times=1', 1],
  // The sandbox does no work for the status fault; a gateway of the provider may say 502 after work was done.
  ['a 502', 'status=502, times=1', 0],
  ['a 504', 'status=504, times=1', 0],
  ['a 524', 'status=524, times=1', 0],
])('an answer that is %s', (what, fault, runs) => {
  const key = what.replaceAll(' ', '-')

  test('is told as unknown, is not repeated, and runs again once it is resolved', async () => {
    const first = await charge(gateway.url, key, fault)
    expect(problemOf(first)).toEqual(unknown)
    expect(jsonOf(first)).toMatchObject({ detail: expect.stringContaining('It is not known whether') })
    expect(await stateOf(gateway.admin, key)).toBe('unknown')

    const retry = await charge(gateway.url, key, fault)
    expect(problemOf(retry)).toEqual(unknown)
    expect(retry.headers['retrysafe-outcome']).toBe('refused')
    expect(await sandbox.meter.all()).toMatchObject({ received: 1, runs })

    expect((await resolve(key)).status).toBe(200)
    const resolved = await charge(gateway.url, key, fault)
    expect([resolved.status, resolved.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
    const replay = await charge(gateway.url, key, fault)
    expect([replay.text, replay.headers['retrysafe-outcome']]).toEqual([resolved.text, 'replayed'])
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, runs: runs + 1 })
  })
})

test('a cut stream breaks for its caller; the SDK does not retry the 424; resolved it runs again', async () => {
  await expect(readStream('cut-stream', 'cut-after=4, times=1')).rejects.toThrow()
  expect(await stateOf(gateway.admin, 'cut-stream')).toBe('unknown')
  const listed = await fetch(`${gateway.admin}/api/v1/unknown`)
  expect(await listed.text()).toContain('"key":"cut-stream"')

  const retry = readStream('cut-stream', 'cut-after=4, times=1')
  await expect(retry).rejects.toMatchObject({ status: 424, code: 'OUTCOME_UNKNOWN' })
  expect(await sandbox.meter.runs('cut-stream')).toBe(1)

  expect((await resolve('cut-stream')).status).toBe(200)
  expect(await readStream('cut-stream', 'cut-after=4, times=1')).toBe('Run 2: you said: one two three')
  expect(await sandbox.meter.runs('cut-stream')).toBe(2)
})

test('who waited for the call whose outcome is unknown is told so, too, and runs nothing', async () => {
  const fault = 'delay=400ms, cut-before-head, times=1'
  const callers = [charge(gateway.url, 'waited', fault)]
  await eventually(() => sandbox.meter.runs('waited')).toBe(1)
  callers.push(charge(gateway.url, 'waited', fault), charge(gateway.url, 'waited', fault))
  for (const answer of await Promise.all(callers)) expect(problemOf(answer)).toEqual(unknown)
  expect(await sandbox.meter.runs('waited')).toBe(1)
})

test('a whole 500 is known: its caller gets it, and the retry runs', async () => {
  const failed = await charge(gateway.url, 'known', 'status=500, times=1')
  expect([failed.status, failed.headers['retrysafe-outcome']]).toEqual([500, 'executed'])
  const retry = await charge(gateway.url, 'known', 'status=500, times=1')
  expect(retry.status).toBe(200)
  expect(await sandbox.meter.all()).toMatchObject({ received: 2, failed: 1, runs: 1 })
})

test('an upstream that cannot be reached got nothing: 502, and the key is free', async () => {
  const port = await freePort()
  const before = await startGateway(`http://127.0.0.1:${port}`, flags)
  onTestFinished(before.stop)
  const refused = await charge(before.url, 'refused', '')
  expect(problemOf(refused)).toEqual({ status: 502, code: 'UPSTREAM_UNREACHABLE', shouldRetry: 'true' })
  expect(await stateOf(before.admin, 'refused')).toBe('absent')

  const late = await startSandbox(port)
  onTestFinished(late.stop)
  expect((await charge(before.url, 'refused', '')).status).toBe(200)
  expect(await late.meter.runs('refused')).toBe(1)
})
