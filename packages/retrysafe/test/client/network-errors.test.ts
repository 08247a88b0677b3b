import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeAuthority } from '../../../../test/support/certificates.ts'
import { findFreePort } from '../../../../test/support/free-port.ts'
import type { AttemptEvent } from '../../src/client/events.ts'
import { createFetch } from '../../src/client/fetch.ts'
import type { FetchOptions } from '../../src/client/options.ts'
import { cut, openHost, reply } from './host.ts'
import { networkError, post, scripted, url } from './scripted.ts'

const authority = makeAuthority('client')
const host = await openHost()

/** Of one attempt at this URL by the platform's own fetch: how often it was made, and what was told of the first. */
async function eventOf(target: string, options: FetchOptions = {}): Promise<[number, boolean, boolean]> {
  const events: AttemptEvent[] = []
  const rules = { retries: 1, baseDelayMs: 0, budget: false, onAttempt: (event: AttemptEvent) => events.push(event) }
  const fetch = createFetch({ ...rules, ...options } as FetchOptions)
  await expect(fetch(target, post)).rejects.toThrow(TypeError)
  const [first] = events
  if (first?.outcome.kind !== 'failed') expect.fail('it was answered')
  return [events.length, first.outcome.sent, first.ambiguous]
}

describe("errors of the platform's fetch", () => {
  test('nobody listens: not sent', async () => {
    expect(await eventOf(`http://127.0.0.1:${await findFreePort()}/`)).toEqual([2, false, false])
  })

  test('nobody listens on any address of a name: not sent', async () => {
    expect(await eventOf(`http://localhost:${await findFreePort()}/`)).toEqual([2, false, false])
  })

  test('no such host: not sent', async () => {
    expect(await eventOf('http://nowhere.invalid/')).toEqual([2, false, false])
  })

  test('reset before an answer: sent', async () => {
    host.script(cut, cut)
    expect(await eventOf(host.url)).toEqual([2, true, true])
    expect(host.asked.length).toBe(2)
  })

  test('what is no HTTP: sent', async () => {
    const server = createServer(socket => socket.end('what?\r\n\r\n')).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    expect(await eventOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).toEqual([2, true, true])
  })

  test('a certificate that nobody trusts: never again', async () => {
    let requests = 0
    const server = createTlsServer(authority.server, () => (requests += 1)).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    expect(await eventOf(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`)).toEqual([1, false, false])
    expect(requests).toBe(0)
  })

  test('a port that fetch refuses: never again', async () => {
    expect(await eventOf('http://127.0.0.1:1/')).toEqual([1, false, false])
  })

  test('a redirect that the caller forbids: never again', async () => {
    const events: AttemptEvent[] = []
    host.script(reply('', { location: '/' }, 307))
    const fetch = createFetch({ baseDelayMs: 0, onAttempt: event => events.push(event) })
    await expect(fetch(host.url, { ...post, redirect: 'error' })).rejects.toThrow('fetch failed')
    expect(events.map(({ next }) => next)).toEqual([{ kind: 'done', reason: 'final' }])
  })

  test.each([
    ['no code', new TypeError('fetch failed'), [2, true, true]],
    ["Bun's", Object.assign(new Error('Unable to connect'), { code: 'ConnectionRefused' }), [2, false, false]],
    ["Deno's", new TypeError('error sending request: tcp connect error: Connection refused'), [2, false, false]],
    ['one address reset, one refused', several('ECONNRESET', 'ECONNREFUSED'), [2, true, true]],
    ['two refused', several('ECONNREFUSED', 'EHOSTUNREACH'), [2, false, false]],
    ['a connection that did not come about', networkError('UND_ERR_CONNECT_TIMEOUT'), [2, false, false]],
    ['a name server that is busy', networkError('EAI_AGAIN'), [2, false, false]],
    ['a socket that ended', networkError('UND_ERR_SOCKET'), [2, true, true]],
    ['an expired certificate', networkError('CERT_HAS_EXPIRED'), [1, false, false]],
    ['no text of ours', 'a string that was thrown', [2, true, true]],
  ] as const)('%s', async (_, error, expected) => {
    const { fetch, time, events } = scripted({ retries: 1 }, [() => Promise.reject(error)])
    const call = fetch(url, post).catch((thrown: unknown) => thrown)
    await time.advance(60_000)
    expect(await call).toBe(error)
    const outcome = events[0]?.outcome
    if (outcome?.kind !== 'failed') expect.fail('it was answered')
    expect([events.length, outcome.sent, events[0]?.ambiguous]).toEqual(expected)
  })
})

function several(...codes: string[]): TypeError {
  const errors = codes.map(code => Object.assign(new Error(code), { code }))
  return new TypeError('fetch failed', { cause: new AggregateError(errors) })
}
