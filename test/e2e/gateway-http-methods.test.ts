import { afterAll, describe, expect, test } from 'vitest'
import { ask } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { runProgram } from '../support/program.ts'
import { sayRaw } from '../support/raw-client.ts'
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
function answerPlainly(): void {
  upstream.answerWith(response => response.end('{}'))
}

describe('methods that pass through', () => {
  test('HEAD: the length of a body that does not come, and the next request behind it', async () => {
    upstream.answerWith((response, { method }) => {
      response.writeHead(200, { 'Content-Length': '1000', 'Content-Type': 'text/plain' })
      response.end(method === 'HEAD' ? undefined : 'x'.repeat(1_000))
    })
    const head = 'HEAD /x HTTP/1.1\r\nHost: gateway\r\n\r\n'
    const answers = await sayRaw(gateway.url, head + headOf('GET /x HTTP/1.1'))
    const [first = '', second = '', body = ''] = answers.split('\r\n\r\n')
    expect(first).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: 1000/)
    expect(second).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: 1000/)
    expect(body).toBe('x'.repeat(1_000))
  })

  test.each(['chunked', 'none'])('HEAD: no length, %s', async kind => {
    upstream.answerWith(response => {
      if (kind === 'chunked') response.setHeader('Transfer-Encoding', 'chunked')
      response.end()
    })
    const answers = await sayRaw(gateway.url, headOf('HEAD /x HTTP/1.1'))
    expect(answers).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answers.split('\r\n\r\n')[1]).toBe('')
    expect(answers).not.toMatch(/content-length|transfer-encoding/i)
  })

  test('OPTIONS: a preflight is answered by the upstream', async () => {
    upstream.answerWith(response =>
      response.writeHead(204, { Allow: 'POST', 'Access-Control-Allow-Origin': '*' }).end(),
    )
    const answer = await ask(`${gateway.url}/v1/x`, {
      method: 'OPTIONS',
      headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' },
    })
    expect([answer.status, answer.headers.allow, answer.headers['access-control-allow-origin']]).toEqual([
      204,
      'POST',
      '*',
    ])
    expect(upstream.received.map(({ method, url }) => `${method} ${url}`)).toEqual(['OPTIONS /v1/x'])
  })

  test.each(['GET', 'DELETE', 'PUT'])(
    '%s with a body and a key: the body goes through, the key changes nothing',
    async method => {
      answerPlainly()
      for (const call of [1, 2]) {
        const headers = { 'Idempotency-Key': 'passing', 'Content-Length': '7' }
        const answer = await ask(`${gateway.url}/x`, { method, headers, body: '{"a":1}' })
        expect(answer.headers['retrysafe-outcome']).toBe('bypassed')
        expect(upstream.received).toHaveLength(call)
        expect(upstream.received.at(-1)?.headers['content-length']).toBe('7')
      }
    },
  )

  test('request trailers stay here', async () => {
    answerPlainly()
    const chunks = '2\r\n{}\r\n0\r\nX-Trailer: secret\r\n\r\n'
    const lines = ['Transfer-Encoding: chunked', 'Trailer: X-Trailer', 'TE: trailers']
    for (const key of ['Idempotency-Key: trailers', 'X-None: 1']) {
      expect(await sayRaw(gateway.url, headOf('POST /x HTTP/1.1', key, ...lines) + chunks)).toMatch(
        /^HTTP\/1\.1 200 OK\r\n/,
      )
      const seen = upstream.received.at(-1)
      for (const name of ['trailer', 'te', 'x-trailer']) expect(seen?.headers).not.toHaveProperty(name)
      expect(seen?.trailers).toEqual({})
    }
  })
})

test('--methods takes none that HTTP does not have', async () => {
  const ended = await runProgram(['serve', '--store', 'memory:', '--methods', 'PSOT'])
  expect(ended).toMatchObject({
    code: 2,
    stderr: 'retrysafe: --methods "PSOT": it takes methods of HTTP such as POST\n',
  })
})

test('--methods takes none whose answers have nothing to keep', async () => {
  for (const method of ['HEAD', 'connect', 'TRACE']) {
    const ended = await runProgram(['serve', '--store', 'memory:', '--methods', method])
    expect(ended.code).toBe(2)
    expect(ended.stderr).toMatch(/^retrysafe: --methods "\w+": \w+ calls have nothing to keep\n$/)
  }
})
