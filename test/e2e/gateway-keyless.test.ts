import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { listRecords } from '../support/records.ts'
import { chat, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'
import { startUpstream } from '../support/upstream.ts'

const { sandbox, gateway } = await openStage('--keyless', 'pass')
const client = openAi(gateway.url)
const upstream = await startUpstream(response => response.end())
afterAll(upstream.stop)
const before = await startGateway(upstream.url, ['--keyless', 'pass'])
afterAll(before.stop)

/** Everything in an answer's head that a gateway must not touch: not what belongs to the connection or the moment. */
function lasting({ headers }: Answer): Record<string, unknown> {
  const { date, connection, 'keep-alive': keepAlive, ...rest } = headers
  return rest
}

describe('without a key', () => {
  test('two calls are two runs, and nothing is kept', async () => {
    const first = await client.chat.completions.create(chat('hello'))
    const second = await client.chat.completions.create(chat('hello'))
    expect([first.id, second.id]).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-2'])
    expect((await sandbox.meter.all()).withoutKey.runs).toBe(2)
    expect(await listRecords(gateway.admin)).toEqual([])
  })

  test('an answer is what the provider sent, and says nothing of us', async () => {
    const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json' }
    const body = JSON.stringify(chat('hello'))
    const straight = await ask(`${sandbox.url}/v1/chat/completions`, { headers, body })
    await sandbox.meter.reset()
    const passed = await ask(`${gateway.url}/v1/chat/completions`, { headers, body })
    expect(passed.status).toBe(200)
    expect(lasting(passed)).toEqual(lasting(straight))
    expect(Object.keys(passed.headers).filter(name => /^(retrysafe-|idempotent-|age$)/.test(name))).toEqual([])
    expect(Object(jsonOf(passed)).choices).toEqual(Object(jsonOf(straight)).choices)
  })

  test('a stream comes as it is made', async () => {
    const stream = await client.chat.completions.create(streamedChat('one two three'), {
      headers: { 'Sandbox-Fault': 'hang, cut-after=5' },
    })
    const chunks = stream[Symbol.asyncIterator]()
    expect(await take(chunks, 5)).toBe('Run 1: you said: ')
    stream.controller.abort()
    const whole = await client.chat.completions.create(streamedChat('one two three'))
    expect(await takeAll(whole[Symbol.asyncIterator]())).toBe('Run 2: you said: one two three')
  })

  test('a client that leaves ends its call at the provider', async () => {
    let ended: (how: string) => void = () => {}
    const end = new Promise<string>(resolve => {
      ended = resolve
    })
    upstream.answerWith(response => {
      response.once('close', () => ended(response.writableEnded ? 'answered' : 'left'))
    })
    const leave = new AbortController()
    const left = ask(`${before.url}/anything`, { body: '{}', signal: leave.signal })
    await eventually(() => upstream.received.length).toBe(1)
    leave.abort()
    await expect(left).rejects.toThrow()
    expect(await end).toBe('left')
  })

  test('errors pass untouched', async () => {
    const headers = { Authorization: 'Bearer sk-test', 'Sandbox-Fault': 'status=503, retry-after=7' }
    const failed = await ask(`${gateway.url}/effects/charge`, { headers, body: '{}' })
    expect([failed.status, failed.headers['retry-after']]).toEqual([503, '7'])
    expect(failed.headers['retrysafe-outcome']).toBeUndefined()
    const broken = ask(`${gateway.url}/effects/charge`, { headers: { 'Sandbox-Fault': 'cut-after=5' }, body: '{}' })
    await expect(broken).rejects.toThrow('aborted')
  })
})

test('--keyless require: a call without a key is refused, one with a key runs', async () => {
  const strict = await startGateway(sandbox.url, ['--keyless', 'require'])
  onTestFinished(strict.stop)
  const headers = { Authorization: 'Bearer sk-test' }
  const refused = await ask(`${strict.url}/effects/charge`, { headers, body: '{}' })
  expect(problemOf(refused)).toEqual({ status: 400, code: 'KEY_MISSING', shouldRetry: 'false' })
  expect(jsonOf(refused)).toMatchObject({ title: 'Idempotency-Key is missing' })
  expect((await sandbox.meter.all()).received).toBe(0)
  const keyed = { ...headers, 'Idempotency-Key': 'given' }
  expect((await ask(`${strict.url}/effects/charge`, { headers: keyed, body: '{}' })).status).toBe(200)
  expect((await ask(`${strict.url}/meter`, { method: 'GET', headers })).status).toBe(200)
})

test('methods whose keys do not count pass untouched, and say so', async () => {
  upstream.answerWith((response, _, count) => response.setHeader('Count', String(count)).end())
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'get-1' }
  const methods = ['GET', 'GET', 'HEAD', 'HEAD', 'PUT', 'PUT', 'DELETE', 'DELETE', 'OPTIONS', 'OPTIONS']
  for (const [at, method] of methods.entries()) {
    const passed = await ask(`${before.url}/thing`, { method, headers })
    const expected = { count: String(at + 1), 'retrysafe-outcome': 'bypassed', 'retrysafe-key': 'get-1' }
    expect(passed.headers).toMatchObject(expected)
    expect(passed.headers['idempotent-replayed']).toBeUndefined()
  }
  expect(upstream.received.map(request => request.method)).toEqual(methods)
  expect(upstream.received[0]?.headers['idempotency-key']).toBe('get-1')
  for (const outcome of ['executed', 'replayed']) {
    const counted = await ask(`${before.url}/thing`, { method: 'PATCH', headers })
    expect(counted.headers).toMatchObject({ count: '11', 'retrysafe-outcome': outcome })
  }
})

test('off loopback a key needs a credential; without a key nothing does', async () => {
  const open = await startGateway(sandbox.url, ['--host', '0.0.0.0'])
  onTestFinished(open.stop)
  const url = open.url.replace('0.0.0.0', '127.0.0.1')
  const headers = { 'Idempotency-Key': 'anonymous' }
  const refused = await ask(`${url}/effects/charge`, { headers, body: '{}' })
  expect(problemOf(refused)).toEqual({ status: 401, code: 'TENANT_MISSING', shouldRetry: 'false' })
  expect(refused.headers['retrysafe-outcome']).toBe('refused')
  expect((await sandbox.meter.all()).received).toBe(0)
  expect(open.stderr()).toContain('without TLS')

  const named = { ...headers, 'x-api-key': 'sk-test' }
  expect((await ask(`${url}/effects/charge`, { headers: named, body: '{}' })).status).toBe(200)
  expect((await ask(`${url}/effects/charge`, { body: '{}' })).status).toBe(200)
  expect((await sandbox.meter.all()).runs).toBe(2)
})
