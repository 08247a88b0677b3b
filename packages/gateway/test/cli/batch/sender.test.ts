import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { BatchRefusal } from 'retrysafe/internal/batch/file/batch-line'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { openSender, type Sender, type SenderTerms } from '../../../src/cli/batch/sender.ts'

type Handler = (response: ServerResponse, request: IncomingMessage, body: string) => void
let handler: Handler
let requests: { readonly request: IncomingMessage; readonly body: string }[]
const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('latin1').on('data', piece => {
    body += piece
  })
  request.on('end', () => {
    requests.push({ request, body })
    handler(response, request, body)
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const senders: Sender[] = []
beforeEach(() => {
  requests = []
})
afterAll(async () => {
  for (const sender of senders) await sender.close()
  server.close()
  server.closeAllConnections()
})

function open(terms: Partial<SenderTerms> = {}): Sender {
  const base = { origin, path: '' }
  const sender = openSender({
    base,
    credentials: { apiKey: undefined, given: [] },
    connections: 4,
    timeoutMs: 10_000,
    ...terms,
  })
  senders.push(sender)
  return sender
}

const context = { idempotencyKey: 'nightly:a%23b', signal: new AbortController().signal }
const json = { 'Content-Type': 'application/json' }
const success =
  '{"id":"c","model":"m-9","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4},"n":9007199254740993}'

function lineOf(body: string, url = '/v1/chat/completions') {
  const bytes = Buffer.from(body)
  return {
    ...{ lineNumber: 1, customId: 'a', method: 'POST', url, body: bytes, model: undefined },
    ...{ fingerprint: '0'.repeat(64), sizeBytes: bytes.byteLength },
  }
}

/** What an error says of itself that others judge it by. */
async function failureOf(sending: Promise<unknown>): Promise<Record<string, unknown>> {
  const error = await sending.then(
    () => ({ kind: 'none' }),
    (reason: unknown) => reason,
  )
  const { name, message, code, status, notSent } = Object(error)
  return { name, message, code, status, notSent }
}

test('a call goes out as the line has it, byte for byte, with its key', async () => {
  handler = response => response.writeHead(200, { ...json, 'X-Request-Id': 'req-7' }).end(success)
  const sender = open({
    base: { origin, path: '/v1' },
    credentials: { apiKey: 'sk-1', given: [{ name: 'x-team', value: 'a' }] },
  })
  const body = '{"model":"m", "seed": 9007199254740993,"x":"\\u00e9é"}'
  expect(await sender.send(lineOf(body), context)).toEqual({
    status: 200,
    requestId: 'req-7',
    body: success,
    model: 'm-9',
    usage: { inputTokens: 3, cachedInputTokens: undefined, cacheWriteTokens: undefined, outputTokens: 4 },
    replayed: false,
  })
  const [sent] = requests
  expect(sent?.body).toBe(Buffer.from(body).toString('latin1'))
  expect([sent?.request.method, sent?.request.url]).toEqual(['POST', '/v1/chat/completions'])
  expect(sent?.request.headers).toMatchObject({
    'idempotency-key': 'nightly:a%23b',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'accept-encoding': 'identity',
    authorization: 'Bearer sk-1',
    'x-team': 'a',
  })
})

describe('an answer that is no success', () => {
  test.each([400, 401, 404, 409, 429, 500, 503])('%i is told with all that was said', async status => {
    handler = response =>
      response.writeHead(status, { ...json, 'Retry-After': '7', 'request-id': 'r-1' }).end('{"error":{"message":"no"}}')
    const error = await open()
      .send(lineOf('{}'), context)
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(BatchRefusal)
    expect(error).toMatchObject({ status, requestId: 'r-1', body: '{"error":{"message":"no"}}' })
    expect(error).toMatchObject({ headers: { 'retry-after': '7' } })
  })

  test('a redirect is not followed: the key would go elsewhere', async () => {
    handler = response => response.writeHead(307, { Location: `${origin}/elsewhere` }).end()
    expect(await failureOf(open().send(lineOf('{}'), context))).toMatchObject({ name: 'BatchRefusal', status: 307 })
    expect(requests).toHaveLength(1)
  })

  test('an error inside a 200 is one', async () => {
    handler = response => response.writeHead(200, json).end('{"error":{"message":"overloaded","type":"server_error"}}')
    expect(await failureOf(open().send(lineOf('{}'), context))).toMatchObject({
      name: 'BatchRefusal',
      status: 200,
      message: 'the answer was 200, with an error in it',
    })
  })

  test('what shows the API key is told without it', async () => {
    handler = (response, request) =>
      response
        .writeHead(401, { ...json, 'X-Request-Id': String(request.headers.authorization) })
        .end(`{"got":"${request.headers.authorization}","php":"sk-secret\\/1"}`)
    const credentials = { apiKey: 'sk-secret/1', given: [] }
    const error = await open({ credentials })
      .send(lineOf('{}'), context)
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ status: 401, body: '{"got":"Bearer ***","php":"***"}', requestId: 'Bearer ***' })
  })
})

describe('an answer of which the end is missing', () => {
  test.each<[string, Handler, string]>([
    [
      'a cut connection',
      response => response.writeHead(200, json).write('{"id"', () => response.destroy()),
      'UND_ERR_SOCKET',
    ],
    ['no answer at all', response => void response.destroy(), 'UND_ERR_SOCKET'],
    [
      'half a document that ends cleanly',
      response => response.writeHead(200, json).end('{"id":"c","cho'),
      'ANSWER_INCOMPLETE',
    ],
    [
      'a coding that nobody asked for and nobody can take off',
      response => response.writeHead(200, { ...json, 'Content-Encoding': 'zstd' }).end('x'),
      'ANSWER_INCOMPLETE',
    ],
  ])('%s: may have been paid', async (_, answer, code) => {
    handler = answer
    const failure = await failureOf(open().send(lineOf('{}'), context))
    expect(failure).toMatchObject({ code, status: undefined, notSent: undefined })
    expect(requests).toHaveLength(1)
  })

  test.each([
    'no HTTP at all\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"id":\r\n0\r\n\r\n',
  ])('%j is no HTTP, and may have been paid', async bytes => {
    handler = (_, request) => void request.socket.end(bytes)
    const failure = await failureOf(open().send(lineOf('{}'), context))
    expect(failure).toMatchObject({ name: 'HTTPParserError', status: undefined, notSent: undefined })
  })

  test('silence longer than --timeout', async () => {
    handler = () => {}
    const failure = await failureOf(open({ timeoutMs: 50 }).send(lineOf('{}'), context))
    expect(failure).toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT', notSent: undefined })
  })
})

test('where nobody listens nothing was sent', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await once(closed, 'close')
  const sender = open({ base: { origin: `http://127.0.0.1:${port}`, path: '' } })
  expect(await failureOf(sender.send(lineOf('{}'), context))).toMatchObject({ code: 'ECONNREFUSED', notSent: true })
})

test('what comes encoded all the same is decoded', async () => {
  handler = response => response.writeHead(200, { ...json, 'Content-Encoding': 'gzip' }).end(gzipSync(success))
  expect((await open().send(lineOf('{}'), context)).body).toBe(success)
})

test('what comes whole and without a type was paid, and is kept', async () => {
  handler = response => response.writeHead(200).end(success)
  expect((await open().send(lineOf('{}'), context)).body).toBe(success)
  handler = response => response.writeHead(200).end(success.slice(0, 30))
  expect(await failureOf(open().send(lineOf('{}'), context))).toMatchObject({ code: 'ANSWER_INCOMPLETE' })
})

test('a mark of the byte order before the JSON is no part of it', async () => {
  handler = response => response.writeHead(200, json).end(`\ufeff${success}`)
  expect((await open().send(lineOf('{}'), context)).body).toBe(success)
})

test('bytes that are no text are kept as base64', async () => {
  handler = response => response.writeHead(200, { 'Content-Type': 'audio/mpeg' }).end(Buffer.from([0xff, 0xfb, 0x90]))
  expect((await open().send(lineOf('{}', '/v1/audio/speech'), context)).body).toBe('{"base64":"//uQ"}')
})

test('a signal ends a call that waits, and one that has not begun', async () => {
  const controller = new AbortController()
  handler = () => controller.abort(new Error('the lease is lost'))
  const sender = open()
  const terms = { idempotencyKey: 'k', signal: controller.signal }
  expect(await failureOf(sender.send(lineOf('{}'), terms))).toMatchObject({ message: 'the lease is lost' })
  expect(await failureOf(sender.send(lineOf('{}'), terms))).toMatchObject({ message: 'the lease is lost' })
  expect(requests).toHaveLength(1)
})

describe('whether keys are honoured is learnt from the answers', () => {
  const answers: Record<string, Record<string, string>> = {
    '/executed': { 'Retrysafe-Outcome': 'executed' },
    '/replayed': { 'Retrysafe-Outcome': 'replayed', 'Idempotent-Replayed': 'true' },
    '/bypassed': { 'Retrysafe-Outcome': 'bypassed' },
    '/silent': {},
  }

  test.each<[readonly string[], boolean]>([
    [['/executed'], true],
    [['/replayed'], true],
    [['/silent'], false],
    [['/executed', '/bypassed'], false],
    [['/executed', '/bypassed', '/executed'], true],
    // One base may lead to a gateway on one path, and past it on another.
    [['/executed', '/silent', '/executed'], false],
  ])('after %j: %s', async (urls, honours) => {
    handler = (response, request) => response.writeHead(200, { ...json, ...answers[request.url ?? ''] }).end('{}')
    const sender = open()
    expect(sender.honoursKeys()).toBe(false)
    for (const url of urls) await sender.send(lineOf('{}', url), context)
    expect(sender.honoursKeys()).toBe(honours)
  })

  test('an answer out of a record says so', async () => {
    handler = (response, request) => response.writeHead(200, { ...json, ...answers[request.url ?? ''] }).end('{}')
    const sender = open()
    expect((await sender.send(lineOf('{}', '/replayed'), context)).replayed).toBe(true)
    expect((await sender.send(lineOf('{}', '/executed'), context)).replayed).toBe(false)
  })
})
