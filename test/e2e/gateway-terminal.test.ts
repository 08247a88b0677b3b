import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { stateOf } from '../support/records.ts'
import { chat, keyed, openAi, streamedChat, takeAll } from '../support/sdk.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end())
afterAll(upstream.stop)
const gateway = await startGateway(upstream.url)
afterAll(gateway.stop)
const client = openAi(gateway.url)

const json = { 'Content-Type': 'application/json' }
const eventStream = { 'Content-Type': 'text/event-stream' }

function frame(content: string, finishReason: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: finishReason }] })}\n\n`
}
const done = 'data: [DONE]\n\n'

async function readStream(key: string): Promise<string> {
  const stream = await client.chat.completions.create(streamedChat('x'), keyed(key))
  return takeAll(stream[Symbol.asyncIterator]())
}

function askPlain(key: string): Promise<Answer> {
  const headers = { ...keyed(key).headers, Authorization: 'Bearer sk-test', 'Content-Type': 'application/json' }
  return ask(`${gateway.url}/v1/chat/completions`, { headers, body: JSON.stringify(chat('x')) })
}

/** The first answer is `first`, the ones after it are whole. */
function answerFirst(first: (response: ServerResponse) => void): void {
  upstream.answerWith((response, _, count) => {
    response.writeHead(200, eventStream)
    if (count === 1) first(response)
    else response.end(frame('whole') + frame('', 'stop') + done)
  })
}

describe('a stream that ends cleanly but not with its terminal event', () => {
  test('breaks for who asked for the end of the connection, too: fetch takes any end for the whole if told of it', async () => {
    answerFirst(response => response.end(frame('half')))
    const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'closing', Connection: 'close', ...json }
    const body = JSON.stringify(streamedChat('x'))
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, body })
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, null])
    await expect(answer.text()).rejects.toThrow('terminated')
  })

  test.each<[string, string]>([
    ['without a finish_reason', frame('half')],
    ['without a finish_reason, but with [DONE]', frame('half') + done],
    ['with a finish_reason, without [DONE]', frame('half') + frame('', 'stop')],
    ['in the middle of a frame', frame('half') + frame('x').slice(0, 20)],
    ['before its first frame', ''],
  ])('%s: never ends cleanly for its caller, and is not kept', async (what, sent) => {
    const key = what.replaceAll(/[^\w]+/g, '-')
    answerFirst(response => response.end(sent))
    await expect(readStream(key)).rejects.toThrow()
    await eventually(() => stateOf(gateway.admin, key)).toBe('open')
    expect(await readStream(key)).toBe('whole')
    expect(await readStream(key)).toBe('whole')
    expect(upstream.received).toHaveLength(2)
  })

  test('control: without a gateway the SDK takes the half for the whole', async () => {
    answerFirst(response => response.end(frame('half')))
    const stream = await openAi(upstream.url).chat.completions.create(streamedChat('x'))
    expect(await takeAll(stream[Symbol.asyncIterator]())).toBe('half')
  })

  test('also when it is encoded', async () => {
    upstream.answerWith((response, _, count) => {
      response.writeHead(200, { ...eventStream, 'Content-Encoding': 'gzip' })
      response.end(gzipSync(count === 1 ? frame('half') : frame('whole') + frame('', 'stop') + done))
    })
    await expect(readStream('encoded')).rejects.toThrow()
    await eventually(() => stateOf(gateway.admin, 'encoded')).toBe('open')
    expect(await readStream('encoded')).toBe('whole')
    expect(upstream.received).toHaveLength(2)
  })
})

describe('an error inside a 200', () => {
  const error = '{"error":{"message":"overloaded","type":"server_error","code":"overloaded"}}'

  test.each<[string, string]>([
    ['as data', `${frame('half')}data: ${error}\n\n`],
    ['as an event', `${frame('half')}event: error\ndata: ${error}\n\n`],
    ['first of all', `data: ${error}\n\n`],
    ['before [DONE]', `${frame('half')}data: ${error}\n\n${done}`],
  ])('%s: reaches its caller as it is, and is not kept', async (what, sent) => {
    const key = `error-${what.replaceAll(/[^\w]+/g, '-')}`
    answerFirst(response => response.end(sent))
    await expect(readStream(key)).rejects.toMatchObject({ message: expect.stringContaining('overloaded') })
    await eventually(() => stateOf(gateway.admin, key)).toBe('open')
    expect(await readStream(key)).toBe('whole')
    expect(upstream.received).toHaveLength(2)
  })

  test('of a plain answer: the same', async () => {
    upstream.answerWith((response, _, count) => {
      response.writeHead(200, json)
      response.end(count === 1 ? error : '{"id":"c","error":null}')
    })
    const failed = await askPlain('plain-error')
    expect([failed.status, failed.text]).toEqual([200, error])
    expect((await askPlain('plain-error')).headers['retrysafe-outcome']).toBe('executed')
    expect((await askPlain('plain-error')).text).toBe('{"id":"c","error":null}')
    expect(upstream.received).toHaveLength(2)
  })
})

describe('a plain answer', () => {
  test.each([
    ['with its length', { 'Content-Length': '14' }],
    ['in chunks', {}],
  ])('that is no whole JSON, %s, is not kept', async (framing, headers) => {
    const key = `half-json-${framing.replaceAll(' ', '-')}`
    upstream.answerWith((response, _, count) => {
      if (count === 1) response.writeHead(200, { ...json, ...headers }).end('{"id":"c","cho')
      else response.writeHead(200, json).end('{"id":"c"}')
    })
    await askPlain(key).catch(() => undefined)
    await eventually(() => stateOf(gateway.admin, key)).toBe('open')
    expect((await askPlain(key)).text).toBe('{"id":"c"}')
    expect((await askPlain(key)).headers['retrysafe-outcome']).toBe('replayed')
    expect(upstream.received).toHaveLength(2)
  })

  test.each([
    ['with its length', { 'Content-Length': '10' }],
    // This is how OpenAI and Anthropic send them.
    ['in chunks', {}],
  ])(
    'that is cut, %s, is a 502, not half an answer: SDKs retry the one and not the other',
    async (framing, headers) => {
      const key = `cut-${framing.replaceAll(' ', '-')}`
      upstream.answerWith((response, _, count) => {
        response.writeHead(200, { ...json, ...headers })
        if (count === 1) response.write('{"id"', () => setImmediate(() => response.destroy()))
        else response.end('{"id":"c"}')
      })
      const retrying = openAi(gateway.url, { maxRetries: 2 })
      expect(await retrying.chat.completions.create(chat('x'), keyed(key))).toMatchObject({ id: 'c' })
      expect((await askPlain(key)).text).toBe('{"id":"c"}')
      expect(upstream.received).toHaveLength(2)
    },
  )
})

describe('a stream that has said its terminal event is whole', () => {
  const whole = frame('naïve ☃ 🐘') + frame('', 'stop') + done

  test.each<[string, (response: ServerResponse) => void]>([
    ['when the connection is cut after it', response => void response.write(whole, () => response.destroy())],
    ['when the connection stays open after it', response => void response.write(whole)],
    ['whatever the line ends', response => void response.end(whole.replaceAll('\n', '\r\n'))],
    [
      'with comments and other fields between',
      response => void response.end(`: hi\n\nid: 1\nretry: 5\n${whole}: bye\n\n`),
    ],
  ])('%s', async (what, first) => {
    const key = what.replaceAll(' ', '-')
    answerFirst(first)
    expect(await readStream(key)).toBe('naïve ☃ 🐘')
    expect(await readStream(key)).toBe('naïve ☃ 🐘')
    expect(upstream.received).toHaveLength(1)
  })

  test('cut into single bytes on its way, also inside a character', async () => {
    answerFirst(response => {
      async function drip(): Promise<void> {
        for (const byte of Buffer.from(whole)) {
          response.write(Buffer.of(byte))
          await turn()
        }
        response.end()
      }
      void drip()
    })
    const bodies: Buffer[] = []
    for (let call = 0; call < 2; call++) {
      const answer = await client.chat.completions.create(streamedChat('x'), keyed('single-bytes')).asResponse()
      bodies.push(Buffer.from(await answer.arrayBuffer()))
    }
    expect(bodies.map(body => body.toString())).toEqual([whole, whole])
    expect(upstream.received).toHaveLength(1)
  })
})
