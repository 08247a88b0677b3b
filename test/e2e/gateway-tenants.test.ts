import type { OutgoingHttpHeaders } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { chat, keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const alice = openAi(gateway.url, { apiKey: 'sk-alice' })
const bob = openAi(gateway.url, { apiKey: 'sk-bob' })

function charge(key: string, credentials: OutgoingHttpHeaders, query = '', url = gateway.url): Promise<Answer> {
  const headers = { ...credentials, 'Idempotency-Key': key }
  return ask(`${url}/effects/charge${query}`, { headers, body: '{"amount":5}' })
}

test('two tenants with one key are two runs, each with its own answer, and no word of the other’s', async () => {
  const ofAlice = await alice.chat.completions.create(chat('alice says'), keyed('same')).withResponse()
  const ofBob = await bob.chat.completions.create(chat('bob says'), keyed('same')).withResponse()
  expect(ofAlice.data.choices[0]?.message.content).toBe('Run 1: you said: alice says')
  expect(ofBob.data.choices[0]?.message.content).toBe('Run 2: you said: bob says')
  expect(ofBob.response.headers.get('retrysafe-outcome')).toBe('executed')
  expect(await sandbox.meter.runs('same')).toBe(2)

  const again = await alice.chat.completions.create(chat('alice says'), keyed('same')).withResponse()
  expect(again.data).toEqual(ofAlice.data)
  expect(again.response.headers.get('retrysafe-outcome')).toBe('replayed')
  expect(await sandbox.meter.runs('same')).toBe(2)
})

test('not even the same payload under the same key crosses over', async () => {
  const first = await alice.chat.completions.create(chat('hello'), keyed('payload'))
  const second = await bob.chat.completions.create(chat('hello'), keyed('payload'))
  expect([first.id, second.id]).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-2'])
})

test('control: the same tenant twice is one run', async () => {
  const first = await alice.chat.completions.create(chat('hello'), keyed('payload-too'))
  const second = await openAi(gateway.url, { apiKey: 'sk-alice' }).chat.completions.create(
    chat('hello'),
    keyed('payload-too'),
  )
  expect([first.id, second.id]).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-1'])
  expect(await sandbox.meter.runs('payload-too')).toBe(1)
})

test('nobody joins the running stream of another tenant', async () => {
  const stream = await alice.chat.completions.create(streamedChat('secret of alice'), keyed('live', 'gap=40ms'))
  const chunks = stream[Symbol.asyncIterator]()
  await take(chunks, 2)
  const other = await bob.chat.completions.create(streamedChat('bob'), keyed('live')).withResponse()
  expect(other.response.headers.get('retrysafe-outcome')).toBe('executed')
  expect(await takeAll(other.data[Symbol.asyncIterator]())).toBe('Run 2: you said: bob')
  expect(await takeAll(chunks)).toBe('1: you said: secret of alice')
})

describe('the credential is told by its header, too', () => {
  test.each<[string, [OutgoingHttpHeaders, string], [OutgoingHttpHeaders, string], number]>([
    ['the same authorization', [{ Authorization: 'Bearer a' }, ''], [{ authorization: 'Bearer a' }, ''], 1],
    ['another authorization', [{ Authorization: 'Bearer a' }, ''], [{ Authorization: 'Bearer b' }, ''], 2],
    ['authorization and x-api-key', [{ Authorization: 'a' }, ''], [{ 'x-api-key': 'a' }, ''], 2],
    ['x-api-key and api-key', [{ 'x-api-key': 'a' }, ''], [{ 'api-key': 'a' }, ''], 2],
    ['api-key and x-goog-api-key', [{ 'api-key': 'a' }, ''], [{ 'x-goog-api-key': 'a' }, ''], 2],
    ['the same ?key=', [{}, '?key=a'], [{}, '?key=a'], 1],
    ['another ?key=', [{}, '?key=a'], [{}, '?key=b'], 2],
    ['x-goog-api-key and ?key=', [{ 'x-goog-api-key': 'a' }, ''], [{}, '?key=a'], 2],
    ['one credential and two', [{ 'x-api-key': 'a' }, ''], [{ 'x-api-key': 'a', Authorization: 'b' }, ''], 2],
    [
      'two, in another order',
      [{ 'x-api-key': 'a', Authorization: 'b' }, ''],
      [{ Authorization: 'b', 'x-api-key': 'a' }, ''],
      1,
    ],
    ['none and none, on loopback', [{}, ''], [{}, ''], 1],
    ['none and one', [{}, ''], [{ Authorization: 'Bearer a' }, ''], 2],
  ])('%s', async (what, first, second, runs) => {
    const key = what.replaceAll(' ', '-').replaceAll(',', '')
    expect((await charge(key, ...first)).status).toBe(200)
    expect((await charge(key, ...second)).status).toBe(200)
    expect(await sandbox.meter.runs(key)).toBe(runs)
  })
})

test('--tenant header:NAME: a header set by a trusted proxy names the tenant, tokens may change', async () => {
  const proxied = await startGateway(sandbox.url, ['--tenant', 'header:X-Customer'])
  onTestFinished(proxied.stop)
  await charge('shared', { 'X-Customer': 'c1', Authorization: 'Bearer monday' }, '', proxied.url)
  const tuesday = await charge('shared', { 'X-Customer': 'c1', Authorization: 'Bearer tuesday' }, '', proxied.url)
  expect(tuesday.headers['retrysafe-outcome']).toBe('replayed')
  await charge('shared', { 'X-Customer': 'c2', Authorization: 'Bearer monday' }, '', proxied.url)
  expect(await sandbox.meter.runs('shared')).toBe(2)

  const nameless = await charge('shared', { Authorization: 'Bearer monday' }, '', proxied.url)
  expect(problemOf(nameless)).toEqual({ status: 401, code: 'TENANT_MISSING', shouldRetry: 'false' })
  expect(nameless.text).toContain('x-customer')
  expect(await sandbox.meter.runs('shared')).toBe(2)
})

test('--tenant none: a key is everybody’s', async () => {
  const open = await startGateway(sandbox.url, ['--tenant', 'none'])
  onTestFinished(open.stop)
  await charge('shared', { Authorization: 'Bearer a' }, '', open.url)
  const other = await charge('shared', { Authorization: 'Bearer b' }, '', open.url)
  expect(other.headers['retrysafe-outcome']).toBe('replayed')
  expect(await sandbox.meter.runs('shared')).toBe(1)
})
