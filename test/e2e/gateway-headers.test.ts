import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { stateOf } from '../support/records.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end())
afterAll(upstream.stop)
const gateway = await startGateway(upstream.url)
afterAll(gateway.stop)

function send(key: string, headers: Record<string, string> = {}, method = 'POST'): Promise<Answer> {
  const all = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, ...headers }
  return ask(`${gateway.url}/thing`, { method, headers: all, body: '{"a":1}' })
}

/** What an upstream may say that is meant for one caller, for one moment or for one connection. */
const said = [
  ...['Content-Type', 'application/json', 'X-Custom', 'kept', 'Location', '/thing/1', 'ETag', '"v1"'],
  ...['Set-Cookie', 'session=of-the-first-caller', 'Set-Cookie', 'second=1'],
  ...['X-RateLimit-Remaining', '7', 'RateLimit', 'limit=10', 'anthropic-ratelimit-tokens-remaining', '9'],
  ...['Access-Control-Allow-Origin', 'https://first.example', 'Access-Control-Allow-Credentials', 'true'],
  ...['Connection', 'keep-alive, X-Hop', 'X-Hop', 'for this hop', 'Proxy-Authenticate', 'Basic', 'Upgrade', 'h2c'],
  ...['Retrysafe-Outcome', 'forged', 'Retrysafe-Key', 'forged', 'Retrysafe-Future', 'forged'],
  ...['Idempotent-Replayed', 'true', 'Age', '99'],
]
const forOneCaller = ['set-cookie', 'access-control-allow-origin', 'access-control-allow-credentials']
const forOneMoment = ['x-ratelimit-remaining', 'ratelimit', 'anthropic-ratelimit-tokens-remaining']
const forOneHop = ['x-hop', 'proxy-authenticate', 'upgrade', 'retrysafe-future']

function answerWithEverything(): void {
  upstream.answerWith((response, _, count) => response.writeHead(201, said).end(`{"count":${count}}`))
}

describe('headers of an answer', () => {
  test('control: the upstream really sends all of them', async () => {
    answerWithEverything()
    const { headers } = await ask(`${upstream.url}/thing`, { body: '{"a":1}' })
    for (const name of [...forOneCaller, ...forOneMoment, ...forOneHop, 'age']) expect(headers).toHaveProperty(name)
    expect(headers['idempotent-replayed']).toBe('true')
  })

  test('the first caller gets what is meant for it, and nothing of the hop or in our name', async () => {
    answerWithEverything()
    const { status, headers } = await send('first')
    expect(status).toBe(201)
    expect(headers['set-cookie']).toEqual(['session=of-the-first-caller', 'second=1'])
    expect(headers).toMatchObject({ 'x-custom': 'kept', location: '/thing/1', etag: '"v1"' })
    expect(headers).toMatchObject({ 'x-ratelimit-remaining': '7', ratelimit: 'limit=10' })
    expect(headers).toMatchObject({ 'access-control-allow-origin': 'https://first.example' })
    for (const name of [...forOneHop, 'age', 'idempotent-replayed']) expect(headers).not.toHaveProperty(name)
    expect(headers).toMatchObject({ 'retrysafe-outcome': 'executed', 'retrysafe-key': 'first' })
  })

  test('a replay gets what lasts, and nothing that was meant for the first caller or its moment', async () => {
    answerWithEverything()
    await send('replay')
    const { status, headers, text } = await send('replay')
    expect([status, text]).toEqual([201, '{"count":1}'])
    expect(headers).toMatchObject({ 'x-custom': 'kept', location: '/thing/1', etag: '"v1"' })
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'content-length': '11' })
    for (const name of [...forOneCaller, ...forOneMoment, ...forOneHop]) expect(headers).not.toHaveProperty(name)
    expect(headers).toMatchObject({ 'retrysafe-outcome': 'replayed', 'retrysafe-key': 'replay' })
    expect(headers['idempotent-replayed']).toBe('true')
    expect(headers['age']).toMatch(/^[012]$/)
    expect(upstream.received).toHaveLength(1)
  })

  test('who joins gets no more than a replay', async () => {
    let answer = (): void => {}
    upstream.answerWith(response => {
      answer = () => response.writeHead(200, said).end('{}')
    })
    const first = send('joined')
    await eventually(() => upstream.received.length).toBe(1)
    const second = send('joined')
    // The second waits as soon as the gateway has it; should it come later, it is a replay, to which the same applies.
    answer()
    expect((await first).headers).toHaveProperty('set-cookie')
    const { headers } = await second
    for (const name of [...forOneCaller, ...forOneMoment, ...forOneHop]) expect(headers).not.toHaveProperty(name)
    expect(headers['idempotent-replayed']).toBe('true')
    expect(upstream.received).toHaveLength(1)
  })

  test('a bypassed answer keeps what is the upstream’s, and nothing in our name', async () => {
    answerWithEverything()
    const { headers } = await send('bypassed', {}, 'PUT')
    expect(headers).toMatchObject({ 'x-custom': 'kept', 'retrysafe-outcome': 'bypassed', 'retrysafe-key': 'bypassed' })
    expect(headers['set-cookie']).toHaveLength(2)
    for (const name of [...forOneHop, 'age', 'idempotent-replayed']) expect(headers).not.toHaveProperty(name)
  })

  test('an answer without a body is one again', async () => {
    upstream.answerWith(response => response.writeHead(204, { 'X-Custom': 'kept' }).end())
    for (const outcome of ['executed', 'replayed']) {
      const { status, headers, text } = await send('no-body')
      expect([status, text, headers['content-length']]).toEqual([204, '', undefined])
      expect(headers).toMatchObject({ 'x-custom': 'kept', 'retrysafe-outcome': outcome })
    }
    expect(upstream.received).toHaveLength(1)
  })
})

describe('headers of a request', () => {
  test('the upstream sees the key, the credential and its own name, asks for plain bytes, and hears nothing of ours', async () => {
    upstream.answerWith(response => response.end('{}'))
    await send('request', {
      'Accept-Encoding': 'gzip, br',
      'Retrysafe-Wait': '5',
      'Retrysafe-Retention': '1h',
      'Retrysafe-Anything': '1',
      Prefer: 'wait=5',
      Connection: 'close, X-Hop',
      'X-Hop': 'for this hop',
      'Proxy-Authorization': 'Basic of-the-proxy',
      'X-Stainless-Retry-Count': '0',
      'X-Custom': 'kept',
    })
    const headers = upstream.received[0]?.headers ?? {}
    expect(headers).toMatchObject({
      host: upstream.url.replace('http://', ''),
      authorization: 'Bearer sk-test',
      'idempotency-key': 'request',
      'accept-encoding': 'identity',
      prefer: 'wait=5',
      'x-stainless-retry-count': '0',
      'x-custom': 'kept',
      'content-length': '7',
    })
    expect(Object.keys(headers).filter(name => name.startsWith('retrysafe-'))).toEqual([])
    for (const name of ['x-hop', 'proxy-authorization']) expect(headers).not.toHaveProperty(name)
  })

  test('a call without a key may have its answer encoded', async () => {
    upstream.answerWith(response => response.end('{}'))
    await ask(`${gateway.url}/thing`, { headers: { 'Accept-Encoding': 'gzip', 'Retrysafe-Wait': '5' }, body: '{}' })
    expect(upstream.received[0]?.headers['accept-encoding']).toBe('gzip')
    expect(upstream.received[0]?.headers).not.toHaveProperty('retrysafe-wait')
  })
})

describe('bodies', () => {
  test('one that only the end of the connection ends is delivered, but not kept: nobody knows whether it is whole', async () => {
    upstream.answerWith((response, _, count) => {
      response.shouldKeepAlive = false
      response.removeHeader('transfer-encoding')
      response.writeHead(200, { 'Content-Type': 'text/plain' })
      response.end(`call ${count}`)
    })
    for (const count of [1, 2]) {
      const { status, text, headers } = await send('close-delimited')
      expect([status, text, headers['retrysafe-outcome']]).toEqual([200, `call ${count}`, 'executed'])
      expect([headers['content-length'], headers['transfer-encoding']]).toEqual([undefined, undefined])
      expect(await stateOf(gateway.admin, 'close-delimited')).toBe('open')
    }
    expect(upstream.received).toHaveLength(2)
  })

  test('one that comes encoded all the same is kept decoded: a retry may not understand the encoding', async () => {
    const plain = `{"text":"${'long '.repeat(100)}"}`
    const encoded = gzipSync(plain)
    upstream.answerWith(response => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip', ETag: '"v1"' })
      response.end(encoded)
    })
    expect((await send('encoded', { 'Accept-Encoding': 'gzip' })).status).toBe(200)
    const { headers, text } = await send('encoded')
    expect(headers['retrysafe-outcome']).toBe('replayed')
    expect(headers['content-encoding']).toBeUndefined()
    expect(headers['content-length']).toBe(String(plain.length))
    expect(text).toBe(plain)
    expect(upstream.received).toHaveLength(1)
  })
})
