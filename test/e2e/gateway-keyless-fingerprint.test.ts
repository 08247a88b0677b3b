import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, isShared, makeStore, startGateway, startOneGateway, takeoverLease } from '../support/gateway.ts'
import { waitForLapse } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { chat, openAi } from '../support/sdk.ts'
import { startUpstream } from '../support/upstream.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)
const gateway = await startGateway(sandbox.url, ['--keyless', 'fingerprint'])
afterAll(gateway.stop)

function charge(at: Gateway, body: string, more: Record<string, string> = {}): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json', ...more }
  return ask(`${at.url}/effects/charge`, { headers, body })
}

test('identical requests are one, however they are spelled, and name the key that they were given', async () => {
  const first = await charge(gateway, '{"amount":5,"to":"a"}')
  const second = await charge(gateway, '{ "to": "a", "amount": 5.0 }')
  expect([first.text, second.text]).toEqual(Array(2).fill('{"effect":"charge","run":1,"count":1}'))
  expect(first.headers['retrysafe-outcome']).toBe('executed')
  expect(second.headers).toMatchObject({ 'retrysafe-outcome': 'replayed', 'idempotent-replayed': 'true' })
  expect(first.headers['retrysafe-key']).toMatch(/^fp-[\w-]{43}$/)
  expect(second.headers['retrysafe-key']).toBe(first.headers['retrysafe-key'])
})

test('a client may have its answer kept for a shorter time than the window is long', async () => {
  const brief = async (): Promise<unknown> =>
    (await charge(gateway, '{"amount":6}', { 'Retrysafe-Retention': '1s' })).headers['retrysafe-outcome']
  expect(await brief()).toBe('executed')
  await eventually(brief).toBe('executed')
})

test('twenty at once are one run', async () => {
  const client = openAi(gateway.url)
  const headers = { 'Sandbox-Fault': 'delay=100ms' }
  const calls = Array.from({ length: 20 }, () => client.chat.completions.create(chat('at once'), { headers }))
  const ids = (await Promise.all(calls)).map(answer => answer.id)
  expect(ids).toEqual(Array(20).fill('chatcmpl-sandbox-1'))
})

test('another tenant, payload, version or path is another call', async () => {
  const body = '{"amount":7}'
  const answers = [
    await charge(gateway, body),
    await charge(gateway, body, { Authorization: 'Bearer sk-other' }),
    await charge(gateway, '{"amount":8}'),
    await charge(gateway, body, { 'anthropic-version': '2023-06-01' }),
    await ask(`${gateway.url}/effects/refund`, {
      headers: { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json' },
      body,
    }),
  ]
  expect(answers.map(answer => answer.headers['retrysafe-outcome'])).toEqual(Array(5).fill('executed'))
  expect(new Set(answers.map(answer => answer.headers['retrysafe-key'])).size).toBe(5)
  expect((await sandbox.meter.all()).runs).toBe(5)
})

test('a request that carries a key goes by it', async () => {
  for (const key of ['one', 'two']) {
    const keyed = await charge(gateway, '{"amount":9}', { 'Idempotency-Key': key })
    expect(keyed.headers).toMatchObject({ 'retrysafe-key': key, 'retrysafe-outcome': 'executed' })
  }
})

test('what nobody can be told for, or is too large, is refused', async () => {
  const flags = ['--keyless', 'fingerprint', '--host', '0.0.0.0', '--max-request', '20b']
  const open = await startOneGateway(sandbox.url, flags)
  onTestFinished(open.stop)
  const at = { ...open, url: open.url.replace('0.0.0.0', '127.0.0.1') }
  const anonymous = await ask(`${at.url}/effects/charge`, { body: '{}' })
  expect(problemOf(anonymous)).toEqual({ status: 401, code: 'TENANT_MISSING', shouldRetry: 'false' })
  const large = await charge(at, '{"to":"somebody far away"}')
  expect(problemOf(large)).toEqual({ status: 413, code: 'BODY_TOO_LARGE', shouldRetry: 'false' })
  expect((await sandbox.meter.all()).received).toBe(0)
})

test('where keys stand in another header, the upstream still gets one line of the usual one: ours', async () => {
  const upstream = await startUpstream(response => response.end('{}'))
  const flags = ['--keyless', 'fingerprint', '--key-header', 'X-Request-Id']
  const others = await startOneGateway(upstream.url, flags)
  onTestFinished(async () => {
    await others.stop()
    upstream.stop()
  })
  const answer = await charge(others, '{}', { 'Idempotency-Key': 'no key here' })
  expect(answer.headers['retrysafe-key']).toMatch(/^fp-[\w-]{43}$/)
  const raw = upstream.received[0]?.rawHeaders ?? []
  const lines = raw.filter((_, at) => raw[at & ~1]?.toLowerCase() === 'idempotency-key' && at % 2 === 1)
  expect(lines).toEqual([expect.stringMatching(/^[\w-]{43}$/)])
})

test('the upstream gets a key: the same after a takeover, another in the next window', async () => {
  const upstream = await startUpstream((response, _, count) => {
    // The first run dies with its gateway.
    if (count > 1) response.setHeader('Content-Type', 'application/json').end(`{"count":${count}}`)
  })
  onTestFinished(upstream.stop)
  const flags = [
    ...(await makeStore()),
    '--lease',
    takeoverLease,
    '--keyless',
    'fingerprint',
    '--fingerprint-window',
    isShared ? '7s' : '2s',
  ]
  const pair = await Promise.all([startOneGateway(upstream.url, flags), startOneGateway(upstream.url, flags)])
  for (const each of pair) onTestFinished(each.stop)
  const [killed, other] = pair
  const broken = expect(charge(killed, '{"amount":5}')).rejects.toThrow()
  await eventually(() => upstream.received.length).toBe(1)
  await killed.kill()
  await broken
  await waitForLapse(other.admin)
  expect((await charge(other, '{"amount":5}')).text).toBe('{"count":2}')
  expect((await charge(other, '{"amount":5}')).text).toBe('{"count":2}')
  await eventually(async () => (await charge(other, '{"amount":5}')).text).toBe('{"count":3}')
  const keys = upstream.received.map(request => request.headers['idempotency-key'])
  expect(keys).toHaveLength(3)
  expect(keys[0]).toMatch(/^[\w-]{43}$/)
  expect(keys[1]).toBe(keys[0])
  expect(keys[2]).toMatch(/^[\w-]{43}$/)
  expect(keys[2]).not.toBe(keys[0])
})
