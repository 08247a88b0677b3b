import { afterAll, describe, expect, test } from 'vitest'
import { ask } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { sayRaw } from '../support/raw-client.ts'
import { stateOf } from '../support/records.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end('{}'))
afterAll(upstream.stop)
const gateway = await startGateway(upstream.url, ['--max-request', '64kb'])
afterAll(gateway.stop)

/** A head that asks for the connection to be closed, with these lines in it. */
function headOf(line: string, ...lines: string[]): string {
  const all = [line, 'Host: gateway', 'Authorization: Bearer sk-test', 'Connection: close', ...lines]
  return `${all.join('\r\n')}\r\n\r\n`
}
const post = 'POST /x HTTP/1.1'
const keyed = 'Idempotency-Key: refused'

/** Status, code and detail of a refusal that stands on the wire. */
function refusalIn(answer: string): { status: number; code: unknown; detail: unknown } {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const { code, detail } = JSON.parse(body)
  return { status: Number(/^HTTP\/1\.1 (\d+) /.exec(head)?.[1]), code, detail }
}

/** Nothing of it has reached the upstream, nothing is kept of it, and the gateway lives. */
async function expectNothing(): Promise<void> {
  expect(upstream.received).toHaveLength(0)
  expect(await stateOf(gateway.admin, 'refused')).toBe('absent')
  expect((await ask(`${gateway.url}/_retrysafe/livez`, { method: 'GET' })).status).toBe(200)
}

function answerPlainly(): void {
  upstream.answerWith(response => response.end('{}'))
}

describe('a request that is no sound HTTP is refused, and nothing of it goes upstream', () => {
  test.each([
    [
      'length and chunks',
      `${headOf(post, keyed, 'Content-Length: 3', 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`,
    ],
    [
      'chunks and length',
      `${headOf(post, keyed, 'Transfer-Encoding: chunked', 'Content-Length: 3')}3\r\nabc\r\n0\r\n\r\n`,
    ],
    ['two lengths', `${headOf(post, keyed, 'Content-Length: 3', 'Content-Length: 4')}abcd`],
    ['the same length twice', `${headOf(post, keyed, 'Content-Length: 3', 'Content-Length: 3')}abc`],
    ['a list of lengths', `${headOf(post, keyed, 'Content-Length: 3, 3')}abc`],
    ['a length with a sign', `${headOf(post, keyed, 'Content-Length: +3')}abc`],
    ['chunks twice', `${headOf(post, keyed, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
    ['an unknown transfer coding', `${headOf(post, keyed, 'Transfer-Encoding: gzip, chunked')}3\r\nabc\r\n0\r\n\r\n`],
    ['an unknown transfer coding alone', `${headOf(post, keyed, 'Transfer-Encoding: gzip')}abc`],
    ['a folded line', headOf(post, 'Idempotency-Key: ref\r\n used', 'Content-Length: 0')],
    ['a line feed alone', headOf(post, keyed, 'X: a\nAuthorization: Bearer other', 'Content-Length: 0')],
    ['a carriage return alone', headOf(post, keyed, 'X: a\rAuthorization: Bearer other', 'Content-Length: 0')],
    ['a zero byte', headOf(post, keyed, 'X: a\0b', 'Content-Length: 0')],
    ['a space before the colon', headOf(post, 'Idempotency-Key : refused', 'Content-Length: 0')],
    ['no name', headOf(post, keyed, ': a', 'Content-Length: 0')],
    ['no chunk size', `${headOf(post, keyed, 'Transfer-Encoding: chunked')}zz\r\nabc\r\n0\r\n\r\n`],
    ['a chunk size without end', `${headOf(post, keyed, 'Transfer-Encoding: chunked')}fffffffffffffffff\r\nabc`],
    ['a chunk longer than it says', `${headOf(post, keyed, 'Transfer-Encoding: chunked')}1\r\nabc\r\n0\r\n\r\n`],
    [
      'chunk extensions of a megabyte',
      `${headOf(post, keyed, 'Transfer-Encoding: chunked')}3;${'x'.repeat(1_048_576)}`,
    ],
    ['no host', `${post}\r\n${keyed}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`],
    ['two hosts', headOf(post, keyed, 'Host: other', 'Content-Length: 0')],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['another version', headOf('POST /x HTTP/1.2', keyed, 'Content-Length: 0')],
    ['HTTP/0.9', 'GET /x\r\n\r\n'],
    ['a method of its own', headOf('STEAL /x HTTP/1.1', keyed)],
    ['a space in its target', headOf('POST /x y HTTP/1.1', keyed, 'Content-Length: 0')],
    ['OPTIONS *', headOf('OPTIONS * HTTP/1.1')],
    ['a WebSocket', headOf('GET /v1/realtime HTTP/1.1', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13')],
    ['a WebSocket among others', headOf(post, keyed, 'Upgrade: h2c, WebSocket/13', 'Content-Length: 0')],
    ['CONNECT', headOf('CONNECT api.example:443 HTTP/1.1')],
  ])('%s', async (_, bytes) => {
    answerPlainly()
    expect(refusalIn(await sayRaw(gateway.url, bytes))).toMatchObject({ status: 400, code: 'REQUEST_INVALID' })
    await expectNothing()
  })

  test.each<[string, string, number, string, string, RegExp]>([
    ['a head of 100 kB', `X: ${'x'.repeat(100_000)}`, 431, 'HEADERS_TOO_LARGE', 'false', /over 65536 bytes/],
    [
      '10,000 lines',
      `${'a:1\r\n'.repeat(9_999)}a:1`,
      431,
      'HEADERS_TOO_LARGE',
      'false',
      /^1000\d header lines > 1000\.$/,
    ],
    ['an expectation', 'Expect: the-unexpected', 417, 'EXPECTATION_FAILED', 'false', /100-continue/],
    ['an expectation and another', 'Expect: 100-continue, more', 417, 'EXPECTATION_FAILED', 'false', /100-continue/],
  ])('%s', async (_, line, status, code, again, detail) => {
    answerPlainly()
    // The key stands behind it: what is cut off a head must not be its end.
    const answer = await sayRaw(gateway.url, headOf(post, line, keyed, 'Content-Length: 0'))
    expect(refusalIn(answer)).toEqual({ status, code, detail: expect.stringMatching(detail) })
    expect(answer).toContain(`\r\nx-should-retry: ${again}\r\n`)
    await expectNothing()
  })

  test('trailers of 100 kB', async () => {
    answerPlainly()
    const bytes = `${headOf(post, keyed, 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`
    expect(refusalIn(await sayRaw(gateway.url, bytes))).toMatchObject({ status: 431, code: 'HEADERS_TOO_LARGE' })
    await expectNothing()
  })

  test.each([
    ['CONNECT api.example:443 HTTP/1.1', 'use it as the base URL instead of tunnelling'],
    ['GET /v1/realtime HTTP/1.1\r\nUpgrade: websocket', 'connect to the upstream itself'],
    ['OPTIONS * HTTP/1.1', 'only targets that begin with / are served'],
  ])('%s: is told what to do', async (line, advice) => {
    expect(refusalIn(await sayRaw(gateway.url, headOf(line))).detail).toContain(advice)
  })

  test('HTTP/2 is told to come by another server', async () => {
    const answer = await sayRaw(gateway.url, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    expect(refusalIn(answer).detail).toContain('put a server with h2 in front')
  })

  test('control: a sound one goes through, 1,000 lines and all', async () => {
    answerPlainly()
    const answer = await sayRaw(
      gateway.url,
      `${headOf(post, ...Array(994).fill('a:1'), 'Idempotency-Key: sound', 'Content-Length: 3')}abc`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*Retrysafe-Outcome: executed\r\n/)
    expect(upstream.received).toHaveLength(1)
  })
})
