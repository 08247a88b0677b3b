import type { Socket } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, open, problemOf } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { openRaw, rawPost } from '../support/raw-client.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { stateOf } from '../support/records.ts'

const upstream = await startRawUpstream()
afterAll(() => upstream.stop())
const silenceMs = 800
const gateway = await startGateway(upstream.url, ['--upstream-timeout', `${silenceMs}ms`])
afterAll(gateway.stop)

const ok = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
const sse = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
const silent = { status: 504, code: 'UPSTREAM_TIMEOUT', shouldRetry: 'true' }

/** Writes the pieces one after the other, the first at once, and then stays silent. */
function drip(socket: Socket, pieces: readonly string[], everyMs: number): void {
  const [first, ...rest] = pieces
  if (first === undefined || socket.destroyed) return
  socket.write(first)
  setTimeout(() => drip(socket, rest, everyMs), everyMs)
}

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

function send(key: string, path = '/x'): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key }
  return ask(gateway.url + path, { headers, body: '{"stream":true}' })
}

describe('slow is not silent', () => {
  const text = '"0123456"'

  test.each([
    ['a body of a length', [`${ok}Content-Length: 9\r\n\r\n`, ...text]],
    ['chunks', [`${ok}Transfer-Encoding: chunked\r\n\r\n`, ...[...text].map(chunk), '0\r\n\r\n']],
    ['the bytes of one chunk', [`${ok}Transfer-Encoding: chunked\r\n\r\n9\r\n`, ...text, '\r\n0\r\n\r\n']],
  ])('a byte now and then goes on as long as it takes: %s', async (name, pieces) => {
    // Longer in all than the silence allowed: 9 bytes, one every 200 ms.
    upstream.answerWith(socket => drip(socket, pieces, 200))
    for (const outcome of ['executed', 'replayed']) {
      const answer = await send(`slow-${name.replaceAll(' ', '-')}`)
      expect([answer.text, answer.headers['retrysafe-outcome']]).toEqual([text, outcome])
    }
    expect(upstream.received()).toBe(1)
  })

  test('a client that reads slowly makes no upstream silent', async () => {
    const large = 'x'.repeat(20_000_000)
    upstream.answerWith(socket => void socket.write(`${ok}Content-Length: ${large.length}\r\n\r\n${large}`))
    const reading = await open(`${gateway.url}/x`, { body: '{}' })
    reading.pause()
    upstream.answerWith(() => {})
    // By then the time has passed.
    expect(problemOf(await send('clock'))).toEqual(silent)
    let length = 0
    for await (const piece of reading) length += piece.byteLength
    expect(length).toBe(20_000_000)
  })

  test.each<[string, Record<string, string>]>([
    ['with a key', { 'Idempotency-Key': 'upload' }],
    ['without', {}],
  ])('nor does one that sends slowly, and the silence after its body counts: %s', async (_, headers) => {
    upstream.answerWith((socket, count) => {
      if (count === 1) socket.write(`${ok}Content-Length: 2\r\n\r\n{}`)
    })
    for (const expected of ['HTTP/1.1 200 ', 'HTTP/1.1 504 ']) {
      const client = await openRaw(gateway.url)
      // One that is passed through is streamed, for it is long.
      const piece = 'x'.repeat(20_000)
      const all = { 'Content-Length': `${6 * piece.length}`, Connection: 'close', ...headers }
      const key = 'Idempotency-Key' in headers ? { 'Idempotency-Key': `upload-${expected.slice(9, 12)}` } : {}
      drip(client.socket, [rawPost('/x', { ...all, ...key }), ...Array(6).fill(piece)], 200)
      await client.ended
      expect(client.text().slice(0, expected.length)).toBe(expected)
    }
    expect(upstream.received()).toBe(2)
  })
})

describe('silence is told', () => {
  test('a head that drips in must be there in time', async () => {
    upstream.answerWith(socket => drip(socket, [...`${ok}Content-Length: 2\r\n\r\n{}`], 100))
    expect(problemOf(await send('dripping-head'))).toEqual(silent)
    expect(await stateOf(gateway.admin, 'dripping-head')).toBe('open')
  })

  test.each([
    ['in the middle of a frame', 'data: {"choices":[{"delta":{"con'],
    ['between frames', 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'],
    ['before the terminal frame', 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'],
    ['in the middle of the terminal frame', 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DO'],
  ])('a stream that stalls %s: the connection breaks, nothing is kept, the retry runs', async (where, text) => {
    const key = `stalled-${where.replaceAll(' ', '-')}`
    const done = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    upstream.answerWith(
      (socket, count) => void socket.write(sse + chunk(count === 1 ? text : done) + (count === 1 ? '' : '0\r\n\r\n')),
    )
    await expect(send(key, '/v1/chat/completions')).rejects.toThrow(/^(?:aborted|socket hang up)$/)
    await eventually(() => stateOf(gateway.admin, key)).toBe('open')
    const retry = await send(key, '/v1/chat/completions')
    expect([retry.text, retry.headers['retrysafe-outcome']]).toEqual([done, 'executed'])
    expect(upstream.received()).toBe(2)
  })
})
