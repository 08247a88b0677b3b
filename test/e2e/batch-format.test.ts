import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startBatch } from '../support/batch-runner.ts'
import { makeStoreFolder } from '../support/gateway.ts'
import { type RawUpstream, startRawUpstream } from '../support/raw-upstream.ts'

// What goes over the wire and into the files, byte for byte.

interface Outcome {
  readonly code: number | null
  readonly output: string | undefined
  readonly errors: string | undefined
}

async function openUpstream(): Promise<RawUpstream> {
  const upstream = await startRawUpstream()
  onTestFinished(upstream.stop)
  return upstream
}

/** A whole answer to one request. */
function answerOf(body: string, head = '200 OK'): string {
  const length = Buffer.byteLength(body)
  return `HTTP/1.1 ${head}\r\nContent-Type: application/json\r\nX-Request-Id: req-7\r\nContent-Length: ${length}\r\n\r\n${body}`
}

async function runFile(upstream: RawUpstream, input: string, ...flags: string[]): Promise<Outcome> {
  const folder = makeStoreFolder()
  const [from, to, errors] = ['in.jsonl', 'out.jsonl', 'out.errors.jsonl'].map(name => join(folder, name))
  if (from === undefined || to === undefined || errors === undefined) throw new Error('three names, three paths')
  writeFileSync(from, input)
  const rest = ['--base-url', upstream.url, '--store', `lmdb:${join(folder, 'store')}`, '--concurrency', '1']
  const { code } = await startBatch([from, '--out', to, ...rest, ...flags]).ended
  const read = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined)
  return { code, output: read(to), errors: read(errors) }
}

const body =
  '{"model":"m", "seed":9007199254740993,"seed2":1.0,"messages":[{"role":"user","content":"naïve \\u2028 日本🙂"}] }'
const line = `{"custom_id":"doc-1","method":"POST","url":"/v1/chat/completions","body":${body}}\n`

test('a body arrives as it stands in its line, and an answer stands in its line as it came', async () => {
  const upstream = await openUpstream()
  const message = '{"role":"assistant","content":"a\\nb\\u2028 日本🙂 \\"x\\""}'
  const whole = `{ "id":"chatcmpl-1","big":9007199254740993,"small":1.0,"e":1E400,\r\n  "choices":[{"index":0,"message":${message},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}\n}`
  upstream.answerWith(socket => socket.write(answerOf(whole)))
  const { code, output, errors } = await runFile(upstream, line)
  expect([code, errors]).toEqual([0, undefined])
  const [request = ''] = upstream.requests
  expect(Buffer.from(request.slice(request.indexOf('\r\n\r\n') + 4), 'latin1').toString()).toBe(body)
  // A line break is nothing but space in JSON, and no line can hold one.
  const kept = `{ "id":"chatcmpl-1","big":9007199254740993,"small":1.0,"e":1E400,   "choices":[{"index":0,"message":${message},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4} }`
  const told = (output ?? '').replace(/"id":"batch_req_[0-9a-f]{48}"/, '"id":"ID"')
  const head = '{"id":"ID","custom_id":"doc-1","response":{"status_code":200,"request_id":"req-7","body":'
  expect(told).toBe(`${head}${kept}},"error":null}\n`)
  expect(output?.split('\n')).toHaveLength(2)
})

test('a refusal stands in the errors file with its status and body, and is tried again by the same command', async () => {
  const upstream = await openUpstream()
  const refusal = '{"error":{"message":"no such model","code":"model_not_found","big":9007199254740993}}'
  upstream.answerWith(socket => socket.write(answerOf(refusal, '404 Not Found')))
  const { code, output, errors } = await runFile(upstream, line)
  expect([code, output ?? '', upstream.received()]).toEqual([1, '', 1])
  const told = (errors ?? '').replace(/"id":"batch_req_[0-9a-f]{48}"/, '"id":"ID"')
  const head = '{"id":"ID","custom_id":"doc-1","response":{"status_code":404,"request_id":"req-7","body":'
  expect(told).toBe(`${head}${refusal}},"error":null}\n`)
})

test('a call without an answer stands there with an error, and without a response', async () => {
  const upstream = await openUpstream()
  upstream.answerWith(socket => socket.destroy())
  const { code, errors } = await runFile(upstream, line, '--retries', '0')
  expect([code, upstream.received()]).toEqual([1, 1])
  expect(JSON.parse(errors ?? '')).toEqual({
    id: expect.stringMatching(/^batch_req_[0-9a-f]{48}$/),
    custom_id: 'doc-1',
    response: null,
    error: { code: expect.stringMatching(/^\w+$/), message: expect.stringMatching(/\w/) },
  })
})

test('custom ids of every kind come back as they were, out of lines that end as on Windows', async () => {
  const ids = [
    'é'.repeat(512),
    '"\\'.repeat(256),
    'a\tb\n\u0000',
    '🙂'.repeat(256),
    '__proto__',
    ' x ',
    'a#b',
    '\u2028',
    'a:b/c%',
  ]
  const upstream = await openUpstream()
  upstream.answerWith(socket => socket.write(answerOf('{"choices":[{"index":0,"message":{},"finish_reason":"stop"}]}')))
  const call = { method: 'POST', url: '/v1/chat/completions', body: { model: 'm', messages: [] } }
  const lines = ids.map(custom_id => JSON.stringify({ custom_id, ...call }))
  const { code, output = '' } = await runFile(upstream, `\ufeff${lines.join('\r\n')}\r\n\r\n`)
  const told = output
    .split('\n')
    .slice(0, -1)
    .map(text => JSON.parse(text).custom_id)
  expect([code, told.sort()]).toEqual([0, [...ids].sort()])
  const keys = upstream.requests.map(request => /^idempotency-key: (.*)\r$/im.exec(request)?.[1] ?? '')
  expect(new Set(keys).size).toBe(9)
  expect(keys.filter(key => !/^[\x21-\x7e]{1,255}$/.test(key))).toEqual([])
})
