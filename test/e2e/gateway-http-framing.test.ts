import { type AddressInfo, createServer } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { type Answer, ask } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { rawPost, sayRaw } from '../support/raw-client.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'

const upstream = await startRawUpstream()
afterAll(() => upstream.stop())
const gateway = await startGateway(upstream.url)
afterAll(gateway.stop)

const ok = 'HTTP/1.1 200 OK\r\n'
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`
const sound = `${ok}Content-Length: 5\r\n\r\nsound`

/** The first request gets these bytes; every other one gets a sound answer. */
function answerFirst(bytes: string): void {
  upstream.answerWith((socket, count) => void socket.write(count === 1 ? bytes : sound, 'latin1'))
}

function send(key: string): Promise<Answer> {
  return ask(`${gateway.url}/x`, { headers: { Authorization: 'Bearer sk-test', 'Idempotency-Key': key }, body: '{}' })
}

let keys = 0
const newKey = (): string => `answer-${++keys}`

describe('an answer that says too much', () => {
  test.each([
    ['by its length', `${ok}Content-Length: 5\r\n\r\nsound, and more of it`],
    ['by its last chunk', `${chunked}5\r\nsound\r\n0\r\n\r\n${ok}Content-Length: 4\r\n\r\nevil`],
    ['by a second answer', `${sound}${ok}Content-Length: 4\r\n\r\nevil`],
  ])('is whole where it ends %s; the rest is nobody’s answer', async (_, bytes) => {
    answerFirst(bytes)
    const key = newKey()
    const first = await send(key)
    expect([first.text, first.headers['retrysafe-outcome']]).toEqual(['sound', 'executed'])
    const other = await send(newKey())
    expect([other.text, other.headers['retrysafe-outcome']]).toEqual(['sound', 'executed'])
    expect((await send(key)).headers['retrysafe-outcome']).toBe('replayed')
    expect(upstream.received()).toBe(2)
  })

  test('chunk extensions of a megabyte are passed over', async () => {
    answerFirst(`${chunked}5;${'x'.repeat(1_048_576)}\r\nsound\r\n0\r\n\r\n`)
    const key = newKey()
    expect((await send(key)).text).toBe('sound')
    expect((await send(key)).headers['retrysafe-outcome']).toBe('replayed')
  })

  test('10,000 header lines within 64 KiB are its caller’s', async () => {
    answerFirst(`${ok}${'a:1\r\n'.repeat(10_000)}Content-Length: 5\r\n\r\nsound`)
    const answer = await sayRaw(gateway.url, rawPost('/x', { Connection: 'close' }, '{}'))
    expect(answer.match(/^a: 1\r$/gm)).toHaveLength(10_000)
  })

  test('trailers stay here, and so does the header that announces them', async () => {
    const answer = `${ok}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsound\r\n0\r\nX-Sum: 1\r\n\r\n`
    const key = newKey()
    for (const headers of [{}, { 'Idempotency-Key': key }, { 'Idempotency-Key': key }]) {
      answerFirst(answer)
      const got = await sayRaw(gateway.url, rawPost('/x', { Connection: 'close', ...headers }, '{}'))
      expect(got).toContain('sound')
      expect(got).not.toMatch(/trailer|x-sum/i)
    }
  })

  test('bytes above ASCII in a header stay as they are, on a replay, too', async () => {
    answerFirst(`${ok}X-Name: caf\xe9 \xff\r\nContent-Length: 5\r\n\r\nsound`)
    const headers = { 'Idempotency-Key': newKey(), Connection: 'close' }
    for (const outcome of ['executed', 'replayed']) {
      const got = await sayRaw(gateway.url, rawPost('/x', headers, '{}'))
      expect(got).toContain('X-Name: caf\xe9 \xff\r\n')
      expect(got).toContain(`Retrysafe-Outcome: ${outcome}\r\n`)
    }
  })
})

describe('answers before the answer', () => {
  test.each([
    ['one', 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'],
    ['two kinds', 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nSet-Cookie: early=1\r\n\r\n'],
    ['a thousand', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000)],
    ['one with a length', 'HTTP/1.1 103 Early Hints\r\nContent-Length: 100\r\n\r\n'],
  ])('%s: passed over, nothing of them in the answer or its replay', async (_, early) => {
    answerFirst(early + sound)
    const headers = { 'Idempotency-Key': newKey(), Connection: 'close' }
    for (const outcome of ['executed', 'replayed']) {
      const got = await sayRaw(gateway.url, rawPost('/x', headers, '{}'))
      expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      expect(got).toContain(`Retrysafe-Outcome: ${outcome}\r\n`)
      expect(got).not.toMatch(/early|a\.css/i)
    }
    expect(upstream.received()).toBe(1)
  })
})

describe('answers without a body', () => {
  test.each([
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', 204],
    ['204 that says a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 204],
    ['205', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n', 205],
    ['200 of no length', `${ok}Content-Length: 0\r\n\r\n`, 200],
  ])('%s: recorded and replayed', async (_, bytes, status) => {
    answerFirst(bytes)
    const key = newKey()
    for (const outcome of ['executed', 'replayed']) {
      const answer = await send(key)
      expect([answer.status, answer.text, answer.headers['retrysafe-outcome']]).toEqual([status, '', outcome])
      if (status === 204) expect(answer.headers['content-length']).toBeUndefined()
    }
    expect(upstream.received()).toBe(1)
  })

  test.each([
    ['without a length', 'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n'],
    [
      'with the length of the body that it does not send',
      'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nContent-Length: 5\r\n\r\n',
    ],
  ])('304 to a GET, %s: passed on whole, and so is what follows', async (_, bytes) => {
    answerFirst(bytes)
    const get = 'GET /x HTTP/1.1\r\nHost: gateway\r\nIf-None-Match: "v1"\r\n'
    const got = await sayRaw(gateway.url, `${get}\r\n${get}Connection: close\r\n\r\n`)
    expect(got).toMatch(/^HTTP\/1\.1 304 Not Modified\r\nETag: "v1"\r\n/)
    expect(got.split('\r\n\r\n')[1]).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(got.endsWith('\r\n\r\nsound')).toBe(true)
  })
})

describe('headers of one answer', () => {
  test('several Set-Cookie lines, and its own Date, go to the first caller; what Connection names does not', async () => {
    const lines = ['Set-Cookie: a=1', 'Set-Cookie: b=2', 'Date: Mon, 01 Jan 2024 00:00:00 GMT', 'Via: 1.1 proxy']
    const hop = [
      'Connection: keep-alive, X-Hop, Content-Type',
      'X-Hop: 1',
      'Keep-Alive: timeout=9',
      'Content-Type: text/x',
    ]
    answerFirst(`${ok}${[...lines, ...hop].join('\r\n')}\r\nContent-Length: 5\r\n\r\nsound`)
    const headers = { 'Idempotency-Key': newKey(), Connection: 'close' }
    const first = await sayRaw(gateway.url, rawPost('/x', headers, '{}'))
    for (const line of [...lines, 'Content-Type: text/x']) expect(first.split(`${line}\r\n`)).toHaveLength(2)
    expect(first.match(/^date:/gim)).toHaveLength(1)
    expect(first).not.toMatch(/x-hop|timeout=9/i)
    const replay = await sayRaw(gateway.url, rawPost('/x', headers, '{}'))
    expect(replay).not.toMatch(/set-cookie|x-hop|2024/i)
    expect(replay.match(/^date:/gim)).toHaveLength(1)
    expect(replay).toContain('Content-Type: text/x\r\n')
  })
})

describe('an answer that comes before the request is whole', () => {
  const early = 'HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly'
  const length = 5_000_000

  test.each<[string, Record<string, string>, string]>([
    ['with a key', { 'Idempotency-Key': 'early' }, 'executed'],
    ['without', {}, 'none'],
  ])('is its caller’s, and the connection goes on: %s', async (_, headers, outcome) => {
    const hasty = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(early))
    })
    await new Promise<void>(resolve => hasty.listen(0, '127.0.0.1', resolve))
    const own = await startGateway(`http://127.0.0.1:${(hasty.address() as AddressInfo).port}`)
    const bytes = rawPost('/x', headers, 'x'.repeat(length)) + rawPost('/_retrysafe/livez', { Connection: 'close' })
    const got = await sayRaw(own.url, bytes)
    await own.stop()
    hasty.close()
    // A reset may overtake the answer on its way to the gateway: then the caller is told that.
    expect(got).toMatch(/^HTTP\/1\.1 (?:413|502) /)
    if (outcome === 'executed') expect(got).toContain('Retrysafe-Outcome: ')
    expect(got).toMatch(/HTTP\/1\.1 200 OK\r\n[\s\S]*ok\n\r\n0\r\n\r\n$/)
  })
})
