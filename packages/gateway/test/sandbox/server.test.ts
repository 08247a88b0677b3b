import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { MeterReport } from '../../src/sandbox/meter.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

const endpointLines = [
  'POST /v1/chat/completions: OpenAI chat, plain and "stream": true',
  'POST /v1/responses: OpenAI Responses, plain and "stream": true',
  'POST /v1/embeddings: OpenAI embeddings, "encoding_format" float or base64; "dimensions", default 1536',
  'POST /v1/audio/transcriptions: OpenAI speech to text, multipart; "response_format" json, text, srt, vtt, verbose_json; stream=true',
  'POST /v1/messages: Anthropic Messages, plain and "stream": true',
  'POST /v1beta/models/{model}:generateContent: Gemini; /v1 and /v1alpha too',
  'POST /v1beta/models/{model}:streamGenerateContent: Gemini, streamed: server-sent events with ?alt=sse, else a JSON array',
  'POST /api/chat: Ollama chat: lines of JSON, or plain with "stream": false',
  'POST /api/generate: Ollama generate: lines of JSON, or plain with "stream": false',
  'POST /api/messages: an app\'s own endpoint: {"prompt": "..."} in, or any text; {"id", "run", "reply"} out',
  'POST /effects/{name}: a plain effect, such as a charge; any body; says how often it has happened',
  'GET /meter: what was received, run and spent, in all and by Idempotency-Key; ?key=K for one key',
  'DELETE /meter: back to zero',
  'GET /: this page',
]

test('the url names the address and the port that was picked', () => {
  expect(sandbox.url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d{2,4}$/)
})

test('GET / says what this is and lists endpoints and faults', async () => {
  const response = await fetch(`${sandbox.url}/`)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  const lines = (await response.text()).split('\n').map(line => line.trim())
  expect(lines[0]).toBe(
    'Retrysafe sandbox: a metered, fake AI provider with faults on demand. It answers with canned words, costs nothing',
  )
  for (const line of endpointLines) expect(lines).toContain(line)
  for (const fault of [
    'delay=2s',
    'status=500',
    'retry-after=2',
    'times=1',
    'cut-after=5',
    'hang',
    'gap=20ms',
    'truncate-after=5',
    'error-event-after=3',
    'slow=1s',
    'encode=gzip',
  ]) {
    expect(lines.filter(line => line.startsWith(`${fault}: `))).toHaveLength(1)
  }
})

test.each([
  ['GET', '/v1/chat/completions'],
  ['POST', '/v1/chat/completions/'],
  ['POST', '/meter'],
  ['PUT', '/effects/charge'],
  ['GET', '/nowhere'],
])('%s %s is a 404 that lists what there is', async (method, path) => {
  const response = await fetch(sandbox.url + path, { method })
  expect(response.status).toBe(404)
  expect(await response.json()).toEqual({
    error: {
      message: `There is no ${method} ${path} here.`,
      type: 'invalid_request_error',
      param: null,
      code: 'not_found',
    },
    endpoints: endpointLines,
  })
})

test('a query is no part of the path', async () => {
  const response = await fetch(`${sandbox.url}/effects/charge?api-version=1`, { method: 'POST' })
  expect(await response.text()).toBe('{"effect":"charge","run":1,"count":1}')
})

/** Sends that many mebibytes without announcing how many. */
function upload(mebibytes: number): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const req = request(`${sandbox.url}/effects/charge`, { method: 'POST' }, res => {
      let text = ''
      res.on('data', chunk => {
        text += chunk
      })
      res.on('end', () => resolve({ status: res.statusCode, text }))
    })
    req.on('error', reject)
    const mebibyte = Buffer.alloc(1_048_576)
    for (let n = 0; n < mebibytes; n += 1) req.write(mebibyte)
    req.end()
  })
}

test('a body of 64 MB is taken', async () => {
  expect((await upload(64)).status).toBe(200)
})

test('a body announced larger than 64 MB is a 413 before it is sent, and not counted', async () => {
  const status = await new Promise(resolve => {
    const req = request(`${sandbox.url}/effects/charge`, { method: 'POST', headers: { 'Content-Length': 67_108_865 } })
    req.on('response', res => {
      resolve(res.statusCode)
      req.destroy()
    })
    req.on('error', () => {})
    req.flushHeaders()
  })
  expect(status).toBe(413)
  expect(await (await fetch(`${sandbox.url}/meter`)).json()).toMatchObject({ received: 0 })
})

test('a body that grows past 64 MB unannounced is a 413', async () => {
  const answer = await upload(65)
  expect(answer.status).toBe(413)
  expect(JSON.parse(answer.text).error).toEqual({
    message: 'The body is larger than 67108864 bytes.',
    type: 'invalid_request_error',
    param: null,
    code: 'body_too_large',
  })
})

test('a client that leaves within its body is not counted, and the sandbox lives on', async () => {
  const { hostname, port } = new URL(sandbox.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  socket.write('POST /effects/charge HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n')
  // "100 Continue" tells that the sandbox is waiting for the body.
  await new Promise(resolve => socket.once('data', resolve))
  socket.write('12345')
  socket.resetAndDestroy()
  await new Promise(resolve => socket.once('close', resolve))
  expect(await (await fetch(`${sandbox.url}/effects/charge`, { method: 'POST' })).json()).toMatchObject({ run: 1 })
})

test('a taken port is EADDRINUSE', async () => {
  const port = Number(new URL(sandbox.url).port)
  await expect(startSandbox({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})

test('a fault option that is not understood is refused at the start', async () => {
  await expect(startSandbox({ port: 0, fault: 'explode' })).rejects.toThrow('Sandbox-Fault: "explode" is not a fault.')
})

test('a meter file that cannot be opened is refused at the start', async () => {
  const meterFile = join(import.meta.dirname, 'no-such-folder', 'meter.jsonl')
  await expect(startSandbox({ port: 0, meterFile })).rejects.toMatchObject({ code: 'ENOENT' })
})

test('close ends at once: hung and delayed calls, idle sockets; and may be called again', async () => {
  const post = (fault: string): Promise<Response> =>
    fetch(`${sandbox.url}/effects/charge`, { method: 'POST', headers: { 'Sandbox-Fault': fault } })
  const calls = [post('hang'), post('delay=24h')]
  const settled = Promise.allSettled(calls)
  const { hostname, port } = new URL(sandbox.url)
  const idle = connect(Number(port), hostname)
  idle.on('error', () => {})
  const idleClosed = new Promise(resolve => idle.once('close', resolve))
  const runs = async (): Promise<number> => ((await (await fetch(`${sandbox.url}/meter`)).json()) as MeterReport).runs
  while ((await runs()) < 2) await new Promise(setImmediate)
  await sandbox.close()
  await sandbox.close()
  expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  idle.resume()
  await idleClosed
  await expect(fetch(sandbox.url)).rejects.toThrow('fetch failed')
})

test('credentials are never in an answer', async () => {
  const headers = { Authorization: 'Bearer sk-secret', 'x-api-key': 'sk-secret', 'Sandbox-Fault': 'explode' }
  for (const path of ['/effects/charge', '/v1/responses', '/v1/messages', '/api/chat', '/nowhere?key=sk-secret']) {
    const response = await fetch(sandbox.url + path, { method: 'POST', headers })
    expect(JSON.stringify([...response.headers]) + (await response.text())).not.toContain('sk-secret')
  }
})
