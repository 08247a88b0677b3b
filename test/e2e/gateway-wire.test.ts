import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask } from '../support/exchange.ts'
import { startGateway, startOneGateway } from '../support/gateway.ts'
import { openRaw, rawPost } from '../support/raw-client.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { recordOf, stateOf } from '../support/records.ts'

const upstream = await startRawUpstream()
afterAll(() => upstream.stop())
const gateway = await startGateway(upstream.url)
afterAll(gateway.stop)

const chatPath = '/v1/chat/completions'
const finished = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'
const sse = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

/** The upstream writes these bytes, and nothing of its own. */
function answerRaw(...pieces: string[]): void {
  upstream.answerWith(socket => {
    for (const piece of pieces) socket.write(piece, 'latin1')
  })
}

describe('an answer that nothing but its connection ends', () => {
  test.each<[string, Record<string, string>]>([
    ['with a key', { 'Idempotency-Key': 'http10' }],
    ['without', {}],
  ])('and that breaks, is reset: an HTTP/1.0 client, %s', async (_, headers) => {
    upstream.answerWith(socket => {
      socket.write(sse + chunk(finished))
      setTimeout(() => socket.resetAndDestroy(), 100)
    })
    const client = await openRaw(gateway.url)
    client.socket.write(rawPost(chatPath, headers, '{"stream":true}', '1.0'))
    expect(await client.ended).toBe('reset')
  })

  test('and that breaks, is reset: an upstream without a length that falls silent', async () => {
    const own = await startGateway(upstream.url, ['--upstream-timeout', '300ms'])
    answerRaw('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of the ans')
    const client = await openRaw(own.url)
    client.socket.write(rawPost('/x', { 'Idempotency-Key': 'no-length' }))
    expect(await client.ended).toBe('reset')
    await own.stop()
  })

  test('control: a whole one is closed in good order', async () => {
    answerRaw(`${sse}${chunk(`${finished}data: [DONE]\n\n`)}0\r\n\r\n`)
    const client = await openRaw(gateway.url)
    client.socket.write(rawPost(chatPath, { 'Idempotency-Key': 'http10-whole' }, '{"stream":true}', '1.0'))
    expect(await client.ended).toBe('end')
    expect(client.text()).toContain('data: [DONE]\n\n')
  })
})

test('rubbish on a connection in mid-answer adds nothing to the answer', async () => {
  upstream.answerWith(socket => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n${'x'.repeat(299_700)}`)
    setTimeout(() => socket.write('x'.repeat(300)), 500)
  })
  const client = await openRaw(gateway.url)
  client.socket.write(rawPost('/x', { 'Idempotency-Key': 'garbage' }))
  await eventually(() => client.text().length).toBeGreaterThan(299_000)
  client.socket.write('GARBAGE\r\n\r\n')
  expect(await client.ended).toBe('reset')
  expect(client.text()).not.toContain('REQUEST_INVALID')
})

describe('a success that says an encoding and has no body', () => {
  test.each([
    ['204', 'HTTP/1.1 204 N\r\nContent-Encoding: gzip\r\n\r\n', 204],
    ['a length of 0', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n', 200],
    [
      'an empty chunked body',
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      200,
    ],
  ])('%s: is a success', async (name, answer, status) => {
    answerRaw(answer)
    const question = { headers: { 'Idempotency-Key': `empty-${name.replaceAll(' ', '-')}` } }
    expect((await ask(`${gateway.url}/x`, question)).status).toBe(status)
    const again = await ask(`${gateway.url}/x`, question)
    expect([again.status, again.headers['retrysafe-outcome']]).toEqual([status, 'replayed'])
    expect(upstream.received()).toBe(1)
  })
})

test('what follows a 205 stays within its length', async () => {
  answerRaw('HTTP/1.1 205 R\r\nContent-Length: 18\r\n\r\nHTTP/1.1 200 EVIL!')
  const client = await openRaw(gateway.url)
  client.socket.write(rawPost('/x', { Connection: 'close' }))
  await client.ended
  expect(client.text()).toContain('Content-Length: 18\r\n')
})

test.each([1, 2, 3, 8, 12])('the terminal frame, cut %i bytes before its end, waits for the rest', async bytes => {
  const done = 'data: [DONE]\n\n'
  let finish = (): void => {}
  upstream.answerWith(socket => {
    socket.write(sse + chunk(finished) + chunk(done.slice(0, -bytes)))
    finish = () => socket.write(`${chunk(done.slice(-bytes))}0\r\n\r\n`)
  })
  const client = await openRaw(gateway.url)
  client.socket.write(rawPost(chatPath, { 'Idempotency-Key': `done-${bytes}` }, '{"stream":true}'))
  await eventually(() => client.text()).toContain('finish_reason')
  // A frame of its own, so that what would come before it has come.
  const other = await openRaw(gateway.url)
  other.socket.write(rawPost(chatPath, { 'Idempotency-Key': `done-${bytes}` }, '{"stream":true}'))
  await eventually(() => other.text()).toContain('finish_reason')
  for (const { text } of [client, other]) expect(text().split('"stop"}]}\n\n')[1]?.replace(/^\r\n/, '')).toBe('')
  expect(await stateOf(gateway.admin, `done-${bytes}`)).toBe('running')
  finish()
  await eventually(() => client.text().replace(/\r\n[0-9a-f]+\r\n/g, '')).toContain(done)
  expect(await stateOf(gateway.admin, `done-${bytes}`)).toBe('completed')
  client.socket.destroy()
  other.socket.destroy()
})

test.each([
  [
    'a stream without a content type',
    'Transfer-Encoding: chunked\r\n\r\n',
    `${chunk('data: {"choices":[]}\n\n')}0\r\n\r\n`,
  ],
  ['an empty body', 'Content-Length: 0\r\n\r\n', ''],
  ['a page', 'Content-Type: text/html\r\nContent-Length: 4\r\n\r\n', '<p>!'],
])('%s is no chat completion, and is not recorded', async (name, head, body) => {
  answerRaw(`HTTP/1.1 200 OK\r\n${head}${body}`)
  const key = `untold-${name.length}`
  await ask(`${gateway.url}${chatPath}`, { headers: { 'Idempotency-Key': key }, body: '{}' }).catch(() => undefined)
  expect(await stateOf(gateway.admin, key)).toBe('open')
})

test('two lines of Transfer-Encoding vouch for nothing', async () => {
  upstream.answerWith(socket => {
    socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\nhalf')
  })
  await ask(`${gateway.url}/x`, { headers: { 'Idempotency-Key': 'te' } }).catch(() => undefined)
  expect((await recordOf(gateway.admin, 'te'))?.state).not.toBe('completed')
})

test.each(['/a/%2e%2e%2fb', '/a/..;/b', '/a/..%5cb', '/a/.%2e/b'])('%s is no target', async path => {
  upstream.answerWith(socket => socket.end())
  const client = await openRaw(gateway.url)
  client.socket.write(rawPost(path, { Connection: 'close' }))
  await client.ended
  expect(client.text()).toContain('"code":"REQUEST_INVALID"')
  expect(upstream.received()).toBe(0)
})

test('a cursor that no page gave is refused', async () => {
  expect((await ask(`${gateway.admin}/api/v1/records?cursor=__proto__`, { method: 'GET' })).status).toBe(400)
})

describe('a shutdown', () => {
  test('does not wait for requests queued behind another on a connection that is gone', async () => {
    const own = await startOneGateway(upstream.url, ['--drain', '20s'])
    upstream.answerWith((socket, count) => void setTimeout(() => socket.write(ok), count === 1 ? 300 : 0))
    const client = await openRaw(own.url)
    client.socket.write(rawPost('/x', { 'Idempotency-Key': 'first' }) + rawPost('/x', { 'Idempotency-Key': 'queued' }))
    await eventually(() => upstream.received()).toBe(2)
    client.socket.destroy()
    const startedMs = performance.now()
    own.terminate()
    expect((await own.exited).code).toBe(0)
    expect(performance.now() - startedMs).toBeLessThan(10_000)
  })

  test('does not wait for a body that is still on its way', async () => {
    const own = await startOneGateway(upstream.url, ['--drain', '20s'])
    const client = await openRaw(own.url)
    client.socket.write(rawPost('/x', { 'Idempotency-Key': 'half', 'Content-Length': '10' }, 'half'))
    // A request behind it on another connection says that it has arrived.
    upstream.answerWith(socket => socket.write(ok))
    expect((await ask(`${own.url}/x`, { headers: { 'Idempotency-Key': 'whole' } })).status).toBe(200)
    own.terminate()
    expect((await own.exited).code).toBe(0)
    expect(await client.ended).toBeDefined()
    expect(client.text()).toContain('"code":"DRAINING"')
  })
})
