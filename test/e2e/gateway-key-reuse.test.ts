import type { OutgoingHttpHeaders } from 'node:http'
import { UnprocessableEntityError } from 'openai'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { chat, countingFetch, keyed, openAi } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()

interface Charge {
  readonly body?: string
  readonly headers?: OutgoingHttpHeaders
  readonly path?: string
}

function charge(
  key: string,
  { body = '{"amount":5}', headers, path }: Charge = {},
  url = gateway.url,
): Promise<Answer> {
  const all = {
    Authorization: 'Bearer sk-test',
    'Content-Type': 'application/json',
    'Idempotency-Key': key,
    ...headers,
  }
  return ask(`${url}${path ?? '/effects/charge'}`, { headers: all, body })
}

const reused = { status: 422, code: 'KEY_REUSED', shouldRetry: 'false' }
const inFlight = { status: 409, code: 'IN_FLIGHT', shouldRetry: 'true' }

describe('another payload under a used key', () => {
  test('control: without a gateway it runs', async () => {
    await charge('reused', {}, sandbox.url)
    expect((await charge('reused', { body: '{"amount":6}' }, sandbox.url)).status).toBe(200)
    expect(await sandbox.meter.runs('reused')).toBe(2)
  })

  test('is refused, and never gets the other’s answer', async () => {
    await charge('reused')
    const other = await charge('reused', { body: '{"amount":6}' })
    expect(problemOf(other)).toEqual(reused)
    expect(other.headers['retrysafe-outcome']).toBe('refused')
    expect(jsonOf(other)).toMatchObject({ title: 'Idempotency-Key is already used', status: 422 })
    expect(other.text).not.toContain('"effect"')
    expect((await charge('reused')).headers['retrysafe-outcome']).toBe('replayed')
    expect(await sandbox.meter.runs('reused')).toBe(1)
  })

  test('is refused while the first still runs, before the duplicate is: 422, also for who will not wait', async () => {
    const first = charge('running', { headers: { 'Sandbox-Fault': 'delay=700ms' } })
    await eventually(() => sandbox.meter.runs('running')).toBe(1)
    const hasty = { 'Retrysafe-Wait': '0' }
    expect(problemOf(await charge('running', { body: '{"amount":6}', headers: hasty }))).toEqual(reused)
    expect(problemOf(await charge('running', { body: '{"amount":7}' }))).toEqual(reused)
    const duplicate = await charge('running', { headers: hasty })
    expect(problemOf(duplicate)).toEqual(inFlight)
    expect(duplicate.headers).toMatchObject({ 'retry-after': '1', 'retry-after-ms': '1000' })
    expect(jsonOf(duplicate)).toMatchObject({ title: 'A request is outstanding for this Idempotency-Key' })
    // Spelled otherwise, it is a duplicate still.
    expect(problemOf(await charge('running', { body: '{ "amount": 5 }', headers: hasty }))).toEqual(inFlight)
    expect((await first).status).toBe(200)
    expect(await sandbox.meter.runs('running')).toBe(1)
  })

  test('is refused at once, although the first runs for long', async () => {
    const first = charge('at-once', { headers: { 'Sandbox-Fault': 'delay=1200ms' } })
    await eventually(() => sandbox.meter.runs('at-once')).toBe(1)
    let firstIsOver = false
    const over = first.then(() => {
      firstIsOver = true
    })
    expect(problemOf(await charge('at-once', { body: '{"amount":6}' }))).toEqual(reused)
    expect(firstIsOver).toBe(false)
    await over
  })

  test('is refused after a run that nobody knows the end of, and is free after a reported failure', async () => {
    await charge('broken', { headers: { 'Sandbox-Fault': 'cut-before-head, times=1' } })
    expect(problemOf(await charge('broken', { body: '{"amount":6}' }))).toEqual(reused)

    await charge('failed', { headers: { 'Sandbox-Fault': 'status=500, times=1' } })
    const other = await charge('failed', { body: '{"amount":6}' })
    expect([other.status, other.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
  })

  test('is told to the SDK, which does not try again', async () => {
    const wire = countingFetch()
    const client = openAi(gateway.url, { maxRetries: 3, fetch: wire.fetch })
    await client.chat.completions.create(chat('one'), keyed('by-sdk'))
    const other = client.chat.completions.create(chat('two'), keyed('by-sdk'))
    await expect(other).rejects.toThrow(UnprocessableEntityError)
    await expect(other).rejects.toMatchObject({ code: 'KEY_REUSED', message: expect.stringContaining('already used') })
    expect(wire.count()).toBe(2)
    expect(await sandbox.meter.runs('by-sdk')).toBe(1)
  })
})

test('the SDK tries again after the 409 of a duplicate that does not wait, and gets the answer', async () => {
  const wire = countingFetch()
  const client = openAi(gateway.url, { maxRetries: 2, fetch: wire.fetch })
  const first = openAi(gateway.url).chat.completions.create(chat('hello'), keyed('conflict', 'delay=600ms'))
  await eventually(() => sandbox.meter.runs('conflict')).toBe(1)
  const headers = { ...keyed('conflict').headers, 'Retrysafe-Wait': '0' }
  const second = await client.chat.completions.create(chat('hello'), { headers })
  expect(second).toEqual(await first)
  expect(wire.count()).toBe(2)
  expect(await sandbox.meter.runs('conflict')).toBe(1)
})

describe('what is the same request', () => {
  test.each<[string, Charge, Charge]>([
    ['order of members', { body: '{"a":1,"b":{"c":2,"d":3}}' }, { body: '{"b":{"d":3,"c":2},"a":1}' }],
    ['white space', { body: '{"a":[1,2]}' }, { body: ' {\n\t"a" : [ 1 , 2 ] }\r\n' }],
    ['spelling of a number', { body: '{"a":1.0}' }, { body: '{"a":1}' }],
    ['escapes', { body: '{"a":"\\u00e9"}' }, { body: '{"a":"é"}' }],
    ['order of the query', { path: '/effects/q?b=2&a=1' }, { path: '/effects/q?a=1&b=2' }],
    ['parameters of the type', {}, { headers: { 'Content-Type': 'application/json; charset=utf-8' } }],
    [
      'retry counters and traces',
      { headers: { 'X-Stainless-Retry-Count': '0' } },
      { headers: { 'X-Stainless-Retry-Count': '1', traceparent: '00-a-b-01', 'User-Agent': 'other' } },
    ],
    ['invalid JSON, the same bytes', { body: '{"a":' }, { body: '{"a":' }],
  ])('%s', async (what, one, other) => {
    const key = what.replaceAll(/[ ,]+/g, '-')
    const first = await charge(key, one)
    const second = await charge(key, other)
    expect([second.text, second.headers['retrysafe-outcome']]).toEqual([first.text, 'replayed'])
    expect((await sandbox.meter.all()).runs).toBe(1)
  })
})

describe('what is another request', () => {
  test.each<[string, Charge, Charge]>([
    ['a number past 2^53', { body: '{"a":9007199254740993}' }, { body: '{"a":9007199254740992}' }],
    ['order in a list', { body: '{"a":[1,2]}' }, { body: '{"a":[2,1]}' }],
    ['a number and its text', { body: '{"a":1}' }, { body: '{"a":"1"}' }],
    ['a member that is null and none', { body: '{"a":null}' }, { body: '{}' }],
    ['__proto__ and none', { body: '{"__proto__":1}' }, { body: '{}' }],
    ['another path', { path: '/effects/one' }, { path: '/effects/two' }],
    ['another query', { path: '/effects/q?a=1' }, { path: '/effects/q?a=2' }],
    ['another type', {}, { headers: { 'Content-Type': 'text/plain' } }],
    ['another beta', { headers: { 'OpenAI-Beta': 'a' } }, { headers: { 'OpenAI-Beta': 'b' } }],
    ['another organisation', { headers: { 'OpenAI-Organization': 'a' } }, {}],
    ['invalid JSON, other bytes', { body: '{"a":' }, { body: '{"a": ' }],
    [
      'white space in a text',
      { body: 'a b', headers: { 'Content-Type': 'text/plain' } },
      { body: 'a  b', headers: { 'Content-Type': 'text/plain' } },
    ],
  ])('%s', async (what, one, other) => {
    const key = `other-${what.replaceAll(/[ ,]+/g, '-')}`
    expect((await charge(key, one)).status).toBe(200)
    expect(problemOf(await charge(key, other))).toEqual(reused)
    expect((await sandbox.meter.all()).runs).toBe(1)
  })
})

test('invalid JSON is the upstream’s to judge: its own 400 comes back, and the key stays free', async () => {
  const invalid = await charge('invalid', { path: '/v1/chat/completions', body: '{"messages":' })
  expect([invalid.status, invalid.headers['retrysafe-outcome']]).toEqual([400, 'executed'])
  expect(jsonOf(invalid)).toMatchObject({ error: { message: 'The body of the request is not a JSON object.' } })
  const corrected = await charge('invalid', { path: '/v1/chat/completions', body: JSON.stringify(chat('hello')) })
  expect(corrected.status).toBe(200)
  expect(await sandbox.meter.all()).toMatchObject({ received: 2, rejected: 1, runs: 1 })
})
