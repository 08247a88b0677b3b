import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { openRaw } from '../support/raw-client.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream((response, _, count) => response.end(`{"count":${count}}`))
afterAll(upstream.stop)
// In this order, and in any case of letters.
const flags = ['Idempotency-Key', 'x-request-ID', 'X-Correlation-Id'].flatMap(name => ['--key-header', name])
const gateway = await startGateway(upstream.url, [...flags, '--keyless', 'require'])
afterAll(gateway.stop)

let tests = 0
/** A key of this test's own. */
let own: string
beforeEach(() => {
  tests += 1
  own = `key-${tests}`
})

function send(keys: Record<string, string | string[]>): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json', ...keys }
  return ask(`${gateway.url}/thing`, { headers, body: '{"a":1}' })
}

function outcomeOf({ status, headers }: Answer): unknown[] {
  return [status, headers['retrysafe-key'], headers['retrysafe-outcome']]
}

/** What the last call said to the upstream under that name. */
function forwarded(name: string): unknown {
  return upstream.received.at(-1)?.headers[name]
}

describe('--key-header', () => {
  test('each of them carries the key alone, and it is one key whichever carried it', async () => {
    expect(outcomeOf(await send({ 'X-Correlation-Id': own }))).toEqual([200, own, 'executed'])
    expect(outcomeOf(await send({ 'X-Request-Id': own }))).toEqual([200, own, 'replayed'])
    expect(outcomeOf(await send({ 'Idempotency-Key': `"${own}"` }))).toEqual([200, own, 'replayed'])
  })

  test('of several that are there the first in the order of the flags wins, not in that of the request', async () => {
    const all = { 'X-Correlation-Id': `${own}-3`, 'X-Request-Id': `${own}-2`, 'Idempotency-Key': `${own}-1` }
    expect(outcomeOf(await send(all))).toEqual([200, `${own}-1`, 'executed'])
    // A balancer gives the retry of a client another id; the client's own key is still the same.
    expect(outcomeOf(await send({ ...all, 'X-Request-Id': 'another' }))).toEqual([200, `${own}-1`, 'replayed'])
    expect(outcomeOf(await send({ 'X-Correlation-Id': `${own}-3`, 'X-Request-Id': `${own}-2` }))).toEqual([
      200,
      `${own}-2`,
      'executed',
    ])
  })

  test('all of them go upstream as they came', async () => {
    await send({ 'X-REQUEST-id': own, 'x-correlation-id': 'kept; as=it is' })
    expect([forwarded('x-request-id'), forwarded('x-correlation-id')]).toEqual([own, 'kept; as=it is'])
    expect(forwarded('idempotency-key')).toBeUndefined()
  })

  test('the first that is there is refused when it is malformed or sent twice, though another one is good', async () => {
    for (const bad of ['', 'a b', [own, own]]) {
      const answer = await send({ 'Idempotency-Key': bad, 'X-Request-Id': own })
      expect(problemOf(answer)).toEqual({ status: 400, code: 'KEY_INVALID', shouldRetry: 'false' })
    }
    // Control: what does not carry the key may be anything, and stand there twice.
    const answer = await send({ 'Idempotency-Key': own, 'X-Request-Id': ['a b', ''] })
    expect(outcomeOf(answer)).toEqual([200, own, 'executed'])
  })

  test('without any of them there is no key, and the refusal names the first', async () => {
    const answer = await send({ 'X-Amzn-Trace-Id': own })
    expect(problemOf(answer)).toEqual({ status: 400, code: 'KEY_MISSING', shouldRetry: 'false' })
    expect(jsonOf(answer)).toMatchObject({ detail: 'Send idempotency-key (--keyless require).' })
  })

  test('one that the client’s Connection names is a key all the same', async () => {
    const client = await openRaw(gateway.url)
    const lines = ['POST /thing HTTP/1.1', 'Host: gateway', 'Authorization: Bearer sk-test', `X-Request-Id: ${own}`]
    client.socket.write([...lines, 'Connection: close, X-Request-Id', 'Content-Length: 2', '', '{}'].join('\r\n'))
    await client.ended
    expect(client.text()).toContain(`Retrysafe-Key: ${own}`)
    expect(forwarded('x-request-id')).toBe(own)
  })

  test('a request id is its tenant’s: who copies it gets nothing', async () => {
    expect(outcomeOf(await send({ 'X-Request-Id': own }))).toEqual([200, own, 'executed'])
    const stranger = await send({ 'X-Request-Id': own, Authorization: 'Bearer sk-bob' })
    expect(outcomeOf(stranger)).toEqual([200, own, 'executed'])
  })
})
