import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

async function post(path: string, body?: string | Uint8Array): Promise<string> {
  const response = await fetch(sandbox.url + path, { method: 'POST', ...(body === undefined ? {} : { body }) })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/json')
  return response.text()
}

test('an effect says its run and how often it has happened', async () => {
  expect(await post('/effects/charge', '{"amount":5}')).toBe('{"effect":"charge","run":1,"count":1}')
  expect(await post('/effects/mail', 'plain text')).toBe('{"effect":"mail","run":2,"count":1}')
  expect(await post('/effects/charge', new Uint8Array([0xff, 0x00]))).toBe('{"effect":"charge","run":3,"count":2}')
  expect(await post('/effects/charge')).toBe('{"effect":"charge","run":4,"count":3}')
})

test('the name of an effect is decoded, and may be a member of Object.prototype', async () => {
  expect(await post('/effects/send%20mail')).toBe('{"effect":"send mail","run":1,"count":1}')
  expect(await post('/effects/__proto__')).toBe('{"effect":"__proto__","run":2,"count":1}')
  const meter = await (await fetch(`${sandbox.url}/meter`)).text()
  expect(meter).toContain('"effects":{"send mail":1,"__proto__":1}')
})

test.each(['/effects/', '/effects/a/b', '/effects/%ZZ', `/effects/${'x'.repeat(256)}`])(
  '%s is no effect',
  async path => {
    const response = await fetch(sandbox.url + path, { method: 'POST' })
    expect(response.status).toBe(404)
    await response.arrayBuffer()
  },
)

test('an app message answers the prompt', async () => {
  expect(await post('/api/messages', '{"prompt":"hello there","user":"u1"}')).toBe(
    '{"id":"msg-1","run":1,"reply":"Run 1: you said: hello there"}',
  )
})

test.each([
  ['just text', 'Run 1: you said: just text'],
  ['{"text":"x"}', 'Run 1: you said: {"text":"x"}'],
  ['', 'Run 1: you said:'],
])('an app message %j without a prompt is the prompt itself', async (body, reply) => {
  expect(JSON.parse(await post('/api/messages', body))).toEqual({ id: 'msg-1', run: 1, reply })
})

test('a reply never grows past a mebibyte', async () => {
  const { reply } = JSON.parse(await post('/api/messages', `${' '.repeat(900_000)}${'x'.repeat(900_000)}`))
  expect(reply).toHaveLength(1_048_576)
})
