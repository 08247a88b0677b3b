import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { openRaw, rawPost, sayRaw } from '../support/raw-client.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end('{}'))
afterAll(upstream.stop)
const gateway = await startGateway(upstream.url, ['--max-request', '64kb'])
afterAll(gateway.stop)

function answerPlainly(): void {
  upstream.answerWith(response => response.end('{}'))
}

describe('Expect: 100-continue', () => {
  const asked = 'HTTP/1.1 100 Continue\r\n\r\n'
  const expecting = { Expect: '100-continue' }

  test.each<[string, Record<string, string>]>([
    ['with a key', { 'Idempotency-Key': 'expected' }],
    ['without', {}],
    ['without, and long', { 'Content-Length': '200000' }],
  ])('the body is asked for when it is wanted: %s', async (_, headers) => {
    answerPlainly()
    const length = Number(headers['Content-Length'] ?? 3)
    const client = await openRaw(gateway.url)
    client.socket.write(rawPost('/x', { ...expecting, Connection: 'close', ...headers, 'Content-Length': `${length}` }))
    await eventually(client.text).toBe(asked)
    expect(upstream.received).toHaveLength(0)
    client.socket.write('x'.repeat(length))
    await client.ended
    expect(client.text()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    expect(upstream.received[0]?.headers).not.toHaveProperty('expect')
  })

  test.each<[string, string, Record<string, string>, string]>([
    ['an invalid key', '/x', { 'Idempotency-Key': 'a,b' }, 'KEY_INVALID'],
    ['two keys', '/x', { 'Idempotency-Key': 'a', 'idempotency-key': 'b' }, 'KEY_INVALID'],
    [
      'a body announced as too large',
      '/x',
      { 'Idempotency-Key': 'refused', 'Content-Length': '65537' },
      'BODY_TOO_LARGE',
    ],
    ['a target that is not served', '/../x', { 'Idempotency-Key': 'refused' }, 'REQUEST_INVALID'],
  ])('and is not for %s: the refusal comes at once, and nothing else', async (_, path, headers, code) => {
    answerPlainly()
    const answer = await sayRaw(gateway.url, rawPost(path, { ...expecting, 'Content-Length': '3', ...headers }))
    expect(answer).toMatch(/^HTTP\/1\.1 4/)
    expect(answer).not.toContain('100 Continue')
    expect(answer).toContain('Connection: close\r\n')
    expect(answer).toContain(`"code":"${code}"`)
    expect(upstream.received).toHaveLength(0)
  })

  test('a client of HTTP/1.0 cannot expect anything, and is served', async () => {
    answerPlainly()
    const answer = await sayRaw(gateway.url, rawPost('/x', expecting, 'abc', '1.0'))
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  test('a client that does not wait to be asked is served, too', async () => {
    answerPlainly()
    const answer = await sayRaw(gateway.url, rawPost('/x', { ...expecting, Connection: 'close' }, 'abc'))
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  })
})

describe('Connection', () => {
  test('names what stays here, but strips nothing that counts', async () => {
    answerPlainly()
    const names = [
      ...['authorization', 'X-API-Key', 'idempotency-key', 'content-type', 'anthropic-version', 'anthropic-beta'],
      ...['content-length', 'host', 'x-hop', 'x-other'],
    ]
    const headers = {
      Authorization: 'Bearer sk-test',
      'X-API-Key': 'k',
      'Idempotency-Key': 'stripped',
      'Content-Type': 'application/json',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'a,b',
      'X-Hop': '1',
      'X-Other': '1',
      'X-Kept': '1',
      Connection: `close, ${names.join(', ')}`,
    }
    expect((await ask(`${gateway.url}/x`, { headers, body: '{}' })).status).toBe(200)
    const seen = upstream.received[0]?.headers ?? {}
    expect(seen).toMatchObject({
      authorization: 'Bearer sk-test',
      'x-api-key': 'k',
      'idempotency-key': 'stripped',
      'content-type': 'application/json',
      'content-length': '2',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'a,b',
      'x-kept': '1',
    })
    for (const name of ['x-hop', 'x-other']) expect(seen).not.toHaveProperty(name)
  })

  test('an offer of h2c, which curl and Java clients make, is ignored', async () => {
    answerPlainly()
    const offer = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']
    const lines = ['POST /x HTTP/1.1', 'Host: gateway', 'Idempotency-Key: offered', ...offer, 'Content-Length: 2']
    const client = await openRaw(gateway.url)
    client.socket.write(`${lines.join('\r\n')}\r\n\r\n{}`)
    await client.ended
    expect(client.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n\{\}$/)
    expect(upstream.received[0]?.headers).not.toHaveProperty('upgrade')
    expect(upstream.received[0]?.headers).not.toHaveProperty('http2-settings')
  })

  test('close is obeyed, keep-alive lasts for the next request, and an HTTP/1.0 client gets one answer', async () => {
    answerPlainly()
    expect(await sayRaw(gateway.url, rawPost('/x', { Connection: 'close' }))).toContain('\r\nConnection: close\r\n')
    expect(await sayRaw(gateway.url, rawPost('/x', {}, '', '1.0'))).toContain('\r\nConnection: close\r\n')
    const both = await sayRaw(gateway.url, rawPost('/x', {}, 'a') + rawPost('/x', { Connection: 'close' }, 'b'))
    expect(both.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
  })

  const smuggled = 'POST /smuggled HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n'
  test.each([
    ['an offer of an upgrade', 'GET /x HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'],
    ['a refused WebSocket', 'GET /x HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
    ['chunks in HTTP/1.0', 'POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])(
    'nothing that follows %s on its connection is a request: not the body of what was lost with it',
    async (_, first) => {
      upstream.answerWith(response => void setTimeout(() => response.end('{}'), 300))
      const client = await openRaw(gateway.url)
      client.socket.write(`${first}POST /x HTTP/1.1\r\nHost: gateway\r\nContent-Length: ${smuggled.length}\r\n\r\n`)
      await eventually(() => upstream.received.length > 0 || client.text() !== '').toBe(true)
      client.socket.write(smuggled)
      await client.ended
      expect(client.text().match(/HTTP\/1\.1 /g)).toHaveLength(1)
      expect(upstream.received.map(({ url }) => url)).not.toContain('/smuggled')
    },
  )

  test('what is no request, behind one that runs, is no reason to refuse that one', async () => {
    upstream.answerWith(response => void setTimeout(() => response.end('{}'), 300))
    const client = await openRaw(gateway.url)
    client.socket.write(rawPost('/x', { 'Idempotency-Key': 'followed' }, '{}'))
    await eventually(() => upstream.received.length).toBe(1)
    client.socket.write('\0')
    await client.ended
    expect(client.text()).toBe('')
    const retry = await ask(`${gateway.url}/x`, { headers: { 'Idempotency-Key': 'followed' }, body: '{}' })
    expect([retry.status, retry.text, upstream.received.length]).toEqual([200, '{}', 1])
  })

  test('a refusal leaves the connection as it was: the next request on it is served', async () => {
    answerPlainly()
    const bad = rawPost('/x', { 'Idempotency-Key': 'a,b' }, 'x'.repeat(100_000))
    const answers = await sayRaw(gateway.url, bad + rawPost('/x', { Connection: 'close' }, 'b'))
    expect(answers).toMatch(/^HTTP\/1\.1 400 [\s\S]*KEY_INVALID[\s\S]*HTTP\/1\.1 200 OK\r\n/)
  })
})
