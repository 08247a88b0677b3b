import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, jsonOf, problemOf } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { stateOf } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, takeAll } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'
import { freePort } from '../support/upstream.ts'

const { sandbox, gateway } = await openStage('--upstream-timeout', '1s')
const client = openAi(gateway.url)

async function readStream(calls: typeof client, key: string, fault: string) {
  const { data, response } = await calls.chat.completions
    .create(streamedChat('one two three'), keyed(key, fault))
    .withResponse()
  return { text: await takeAll(data[Symbol.asyncIterator]()), outcome: response.headers.get('retrysafe-outcome') }
}

function charge(url: string, key: string, fault: string) {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault }
  return ask(`${url}/effects/charge`, { headers, body: '{"amount":5}' })
}

describe('a stream that is cut', () => {
  const fault = 'cut-after=4, times=1'

  test('control: without a gateway the retry and every later call are runs', async () => {
    const direct = openAi(sandbox.url)
    await expect(readStream(direct, 'cut', fault)).rejects.toThrow()
    await readStream(direct, 'cut', fault)
    await readStream(direct, 'cut', fault)
    expect(await sandbox.meter.runs('cut')).toBe(3)
  })

  test('raises for its first caller, is not kept, runs once more, and then is replayed', async () => {
    await expect(readStream(client, 'cut', fault)).rejects.toThrow()
    expect(await stateOf(gateway.admin, 'cut')).toBe('open')
    expect(await readStream(client, 'cut', fault)).toEqual({
      text: 'Run 2: you said: one two three',
      outcome: 'executed',
    })
    expect(await readStream(client, 'cut', fault)).toEqual({
      text: 'Run 2: you said: one two three',
      outcome: 'replayed',
    })
    expect(await sandbox.meter.runs('cut')).toBe(2)
  })

  test('raises for those who had joined it, too', async () => {
    const both = [readStream(client, 'cut-joined', 'gap=60ms, cut-after=6, times=1')]
    await eventually(() => sandbox.meter.runs('cut-joined')).toBe(1)
    both.push(readStream(client, 'cut-joined', 'gap=60ms, cut-after=6, times=1'))
    const ends = await Promise.allSettled(both)
    expect(ends.map(end => end.status)).toEqual(['rejected', 'rejected'])
    expect(await sandbox.meter.runs('cut-joined')).toBe(1)
  })

  test('is repeated at most --max-attempts times; then its outcome is unknown', async () => {
    for (let attempt = 1; attempt <= 3; attempt++) {
      await expect(readStream(client, 'always-cut', 'cut-after=4')).rejects.toThrow()
      expect(await sandbox.meter.runs('always-cut')).toBe(attempt)
    }
    await expect(readStream(client, 'always-cut', 'cut-after=4')).rejects.toMatchObject({
      status: 424,
      code: 'OUTCOME_UNKNOWN',
    })
    expect(await stateOf(gateway.admin, 'always-cut')).toBe('unknown')
    expect(await sandbox.meter.runs('always-cut')).toBe(3)
  })
})

test('with --max-attempts 1 a call whose end nobody knows is not repeated at all', async () => {
  const once = await startGateway(sandbox.url, ['--max-attempts', '1'])
  onTestFinished(once.stop)
  expect((await charge(once.url, 'once', 'cut-after=5, times=1')).status).toBe(502)
  const retry = await charge(once.url, 'once', 'cut-after=5, times=1')
  expect(problemOf(retry)).toEqual({ status: 424, code: 'OUTCOME_UNKNOWN', shouldRetry: 'false' })
  expect(await sandbox.meter.runs('once')).toBe(1)
})

describe('a plain answer that is cut', () => {
  test.each([
    ['in its body', 'cut-after=5, times=1'],
    ['before its head', 'cut-before-head, times=1'],
  ])('%s, is a 502 that says that the call was taken; the retry runs once more and is kept', async (where, fault) => {
    const key = where.replaceAll(' ', '-')
    const cut = await charge(gateway.url, key, fault)
    expect(problemOf(cut)).toEqual({ status: 502, code: 'UPSTREAM_UNREACHABLE', shouldRetry: 'true' })
    expect(cut.headers['content-type']).toBe('application/problem+json')
    expect(jsonOf(cut)).toMatchObject({ detail: expect.stringContaining('took the request and cut the connection') })
    expect(await stateOf(gateway.admin, key)).toBe('open')

    const retry = await charge(gateway.url, key, fault)
    expect(retry.text).toBe('{"effect":"charge","run":2,"count":2}')
    expect(retry.headers['retrysafe-outcome']).toBe('executed')
    const replay = await charge(gateway.url, key, fault)
    expect(replay.text).toBe('{"effect":"charge","run":2,"count":2}')
    expect(replay.headers['retrysafe-outcome']).toBe('replayed')
    expect(await sandbox.meter.runs(key)).toBe(2)
  })

  test('control: without a gateway its caller sees a broken connection, and every later call is a charge', async () => {
    await expect(charge(sandbox.url, 'direct', 'cut-after=5, times=1')).rejects.toThrow('aborted')
    await charge(sandbox.url, 'direct', 'cut-after=5, times=1')
    await charge(sandbox.url, 'direct', 'cut-after=5, times=1')
    expect(await sandbox.meter.runs('direct')).toBe(3)
  })

  test('is retried by the SDK itself', async () => {
    const retrying = openAi(gateway.url, { maxRetries: 2 })
    const answer = await retrying.post(`${gateway.url}/effects/charge`, {
      body: { amount: 5 },
      ...keyed('by-sdk', 'cut-after=5, times=1'),
    })
    expect(answer).toEqual({ effect: 'charge', run: 2, count: 2 })
    expect(await sandbox.meter.runs('by-sdk')).toBe(2)
  })
})

test('an upstream that stays silent is a 504 after --upstream-timeout; the retry runs', async () => {
  const silent = await charge(gateway.url, 'silent', 'hang, times=1')
  expect(problemOf(silent)).toEqual({ status: 504, code: 'UPSTREAM_TIMEOUT', shouldRetry: 'true' })
  expect(jsonOf(silent)).toMatchObject({ detail: expect.stringContaining('--upstream-timeout') })
  expect(await stateOf(gateway.admin, 'silent')).toBe('open')
  const retry = await charge(gateway.url, 'silent', 'hang, times=1')
  expect([retry.status, retry.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
  expect(await sandbox.meter.runs('silent')).toBe(2)
})

test('an upstream that cannot be reached is a 502 that says that nothing was sent; the key is free', async () => {
  const port = await freePort()
  const before = await startGateway(`http://127.0.0.1:${port}`)
  onTestFinished(before.stop)
  const refused = await charge(before.url, 'refused', '')
  expect(problemOf(refused)).toEqual({ status: 502, code: 'UPSTREAM_UNREACHABLE', shouldRetry: 'true' })
  expect(jsonOf(refused)).toMatchObject({ detail: 'No connection to the upstream (ECONNREFUSED); nothing was sent.' })
  expect(await stateOf(before.admin, 'refused')).toBe('absent')

  const late = await startSandbox(port)
  onTestFinished(late.stop)
  const retry = await charge(before.url, 'refused', '')
  expect([retry.status, retry.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
  expect(await late.meter.runs('refused')).toBe(1)
})
