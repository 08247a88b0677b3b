import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ask, problemOf } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'request' }

/** Sends these bytes and nothing else; the answer up to the end of the connection. */
async function sendBytes(text: string): Promise<string> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.setEncoding('utf8').on('data', piece => {
    answer += piece
  })
  socket.write(text)
  await once(socket, 'close')
  return answer
}

describe('where a request goes, the configuration says: never the request', () => {
  test.each([
    ['another host', `POST http://evil.example/effects/charge HTTP/1.1`],
    ['an empty segment', 'POST //evil.example/effects/charge HTTP/1.1'],
    ['an empty segment later', 'POST /effects//charge HTTP/1.1'],
    ['a dot segment', 'POST /effects/../meter HTTP/1.1'],
    ['a dot segment in percent signs', 'POST /effects/%2e%2E/meter HTTP/1.1'],
    ['half a dot segment in percent signs', 'POST /effects/.%2e/meter HTTP/1.1'],
    ['a backslash', 'POST /effects\\charge HTTP/1.1'],
    ['an asterisk', 'OPTIONS * HTTP/1.1'],
  ])('%s', async (_, line) => {
    const rest = 'Host: a\r\nAuthorization: a\r\nIdempotency-Key: k\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
    const answer = await sendBytes(`${line}\r\n${rest}`)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('"code":"REQUEST_INVALID"')
    expect((await sandbox.meter.all()).received).toBe(0)
  })

  test('control: dots and slashes elsewhere are nothing special', async () => {
    const answer = await ask(`${gateway.url}/effects/v1.2..%20?at=../x//y`, { headers, body: '{}' })
    expect(answer.status).toBe(200)
    expect((await sandbox.meter.all()).effects).toEqual({ 'v1.2.. ': 1 })
  })
})

test('a path in --upstream stands before every request’s', async () => {
  const below = await startGateway(`${sandbox.url}/effects/`)
  onTestFinished(below.stop)
  expect((await ask(`${below.url}/charge`, { headers, body: '{}' })).text).toContain('"effect":"charge"')
})

test('headers over 64 KiB are a 431', async () => {
  const large = await ask(`${gateway.url}/effects/charge`, { headers: { ...headers, 'X-Large': 'x'.repeat(70_000) } })
  expect(problemOf(large)).toEqual({ status: 431, code: 'HEADERS_TOO_LARGE', shouldRetry: 'false' })
  expect((await sandbox.meter.all()).received).toBe(0)
})

test('what is no HTTP is told so', async () => {
  expect(await sendBytes('HELO mail.example\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"REQUEST_INVALID"/)
})

test('a client that leaves in the middle of its body has asked for nothing', async () => {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  const head = 'Host: a\r\nAuthorization: Bearer sk-test\r\nIdempotency-Key: half\r\nContent-Length: 100'
  socket.end(`POST /effects/charge HTTP/1.1\r\n${head}\r\n\r\n{"half":`)
  await once(socket.resume(), 'close')
  expect((await sandbox.meter.all()).received).toBe(0)
  const whole = await ask(`${gateway.url}/effects/charge`, {
    headers: { ...headers, 'Idempotency-Key': 'half' },
    body: '{}',
  })
  expect([whole.status, whole.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
})

describe('a full store', () => {
  test('refuses new keys before anything is sent, and keeps what it has', async () => {
    const full = await startGateway(sandbox.url, ['--store', 'memory:?max-entries=2'])
    onTestFinished(full.stop)
    const send = (key: string) =>
      ask(`${full.url}/effects/charge`, { headers: { ...headers, 'Idempotency-Key': key }, body: '{}' })
    expect([(await send('one')).status, (await send('two')).status]).toEqual([200, 200])
    const refused = await send('three')
    expect(problemOf(refused)).toEqual({ status: 503, code: 'STORE_FULL', shouldRetry: 'false' })
    expect((await send('one')).headers['retrysafe-outcome']).toBe('replayed')
    expect((await sandbox.meter.all()).received).toBe(2)
    expect(refused.headers).toMatchObject({ 'retrysafe-outcome': 'refused', 'retrysafe-key': 'three' })
  })
})
