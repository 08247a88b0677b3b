import { afterEach, beforeEach, expect, test } from 'vitest'
import { jsonAnswer } from '../../src/sandbox/answer.ts'
import { keyUseOf, MAX_REPEATS, Repeats } from '../../src/sandbox/repeats.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'
import { formats } from './formats.ts'
import { call } from './wire.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0, idempotent: true })
})
afterEach(() => sandbox.close())

const charge = { path: '/effects/charge', body: '{"amount":5}' }

async function meter(): Promise<unknown> {
  return (await fetch(`${sandbox.url}/meter`)).json()
}

test.each(formats)('$name: the same key gets the same answer, without a run', async format => {
  const key = { 'Idempotency-Key': 'a' }
  const first = await call(sandbox.url, format, key)
  const second = await call(sandbox.url, format, key)
  expect([second.status, second.headers['content-type'], second.text]).toEqual([
    200,
    first.headers['content-type'],
    first.text,
  ])
  expect(await meter()).toMatchObject({ runs: 1, repeated: 1, received: 2, byKey: { a: { runs: 1 } } })
  expect((await call(sandbox.url, format, { 'Idempotency-Key': 'b' })).text).not.toBe(first.text)
})

test('not idempotent by default, and never without a key', async () => {
  const other = await startSandbox({ port: 0 })
  const key = { 'Idempotency-Key': 'a' }
  await call(other.url, charge, key)
  expect((await call(other.url, charge, key)).text).toBe('{"effect":"charge","run":2,"count":2}')
  await other.close()
  await call(sandbox.url, charge)
  expect((await call(sandbox.url, charge)).text).toBe('{"effect":"charge","run":2,"count":2}')
})

test('a key that was used for another body, path or query is a 422', async () => {
  const key = { 'Idempotency-Key': 'a' }
  await call(sandbox.url, charge, key)
  for (const other of [
    { ...charge, body: '{"amount":6}' },
    { ...charge, path: '/effects/mail' },
    { ...charge, path: '/effects/charge?alt=sse' },
  ]) {
    const answer = await call(sandbox.url, other, key)
    expect([answer.status, JSON.parse(answer.text).error]).toEqual([
      422,
      {
        message: 'Idempotency-Key is already used',
        type: 'invalid_request_error',
        param: 'Idempotency-Key',
        code: 'idempotency_key_reused',
      },
    ])
  }
  expect(await meter()).toMatchObject({ runs: 1, rejected: 3, repeated: 0 })
})

test('the key of another credential is another key', async () => {
  for (const headers of [{ Authorization: 'Bearer a' }, { Authorization: 'Bearer b' }, { 'x-api-key': 'a' }]) {
    await call(sandbox.url, charge, { 'Idempotency-Key': 'k', ...headers })
  }
  await call(sandbox.url, { ...charge, path: '/effects/charge?key=a' }, { 'Idempotency-Key': 'k' })
  expect(await meter()).toMatchObject({ runs: 4, repeated: 0 })
})

test('a form with another boundary is the same request', async () => {
  const post = async (speech: string): Promise<number> => {
    const form = new FormData()
    form.set('file', new Blob([speech]), 'a.mp3')
    const headers = { 'Idempotency-Key': 'a' }
    const response = await fetch(`${sandbox.url}/v1/audio/transcriptions`, { method: 'POST', body: form, headers })
    await response.arrayBuffer()
    return response.status
  }
  expect([await post('hi'), await post('hi'), await post('bye')]).toEqual([200, 200, 422])
  expect(await meter()).toMatchObject({ runs: 1, repeated: 1, rejected: 1 })
})

test('the answer is kept as it was before its faults, and not kept when nothing ran', async () => {
  const key = { 'Idempotency-Key': 'a' }
  expect((await call(sandbox.url, charge, { ...key, 'Sandbox-Fault': 'status=500' })).status).toBe(500)
  expect((await call(sandbox.url, charge, { ...key, 'Sandbox-Fault': 'cut-before-head' })).end).toBe('no answer')
  expect((await call(sandbox.url, charge, { ...key, 'Sandbox-Fault': 'cut-after=5' })).end).toBe('cut')
  expect((await call(sandbox.url, charge, key)).text).toBe('{"effect":"charge","run":1,"count":1}')
  expect(await meter()).toMatchObject({ runs: 1, failed: 1, repeated: 2 })
})

test('DELETE /meter forgets the answers too', async () => {
  const key = { 'Idempotency-Key': 'a' }
  await call(sandbox.url, charge, key)
  await fetch(`${sandbox.url}/meter`, { method: 'DELETE' })
  await call(sandbox.url, charge, key)
  expect(await meter()).toMatchObject({ runs: 1, repeated: 0 })
})

test('the last 10,000 keys are kept, and of large requests as many as fit in 64 MiB', () => {
  const repeats = new Repeats()
  const use = (n: number): { slot: string; fingerprint: string } => ({ slot: `k${n}`, fingerprint: 'f' })
  const answer = jsonAnswer(200, {})
  for (let n = 0; n <= MAX_REPEATS; n += 1) repeats.keep(use(n), answer, 10)
  expect(MAX_REPEATS).toBe(10_000)
  expect([0, 1, 10_000].map(n => repeats.find(use(n)).kind)).toEqual(['new', 'repeat', 'repeat'])
  repeats.keep(use(20_000), answer, 33_554_432)
  repeats.keep(use(20_001), answer, 33_554_430)
  expect([10_000, 20_000, 20_001].map(n => repeats.find(use(n)).kind)).toEqual(['new', 'new', 'repeat'])
})

test('no credential is in what is remembered', () => {
  const use = keyUseOf({ 'idempotency-key': 'k', authorization: 'Bearer secret' }, '/p', 'key=secret', Buffer.from('x'))
  expect(JSON.stringify(use)).not.toContain('secret')
})
