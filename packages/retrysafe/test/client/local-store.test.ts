import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { findFreePort } from '../../../../test/support/free-port.ts'
import { createFetch, type RetryingFetch } from '../../src/client/fetch.ts'
import type { FetchOptions } from '../../src/client/options.ts'
import { RetrysafeError } from '../../src/engine/errors.ts'
import type { RetrysafeOptions } from '../../src/retrysafe.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { chunksOf, openSafe } from '../adapters/listening.ts'
import { gate, tellingSafe } from '../functions/stage.ts'
import { type Answerer, cut, cutAfter, openHost, reply } from './host.ts'

const host = await openHost()
const other = await openHost()
const json = { 'content-type': 'application/json' }
const events = { 'content-type': 'text/event-stream' }
const chunk = (text: string): string => `data: {"choices":[{"index":0,"delta":{"content":"${text}"}}]}\n\n`
const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const url = `${host.url}/v1/chat/completions`

interface Kept {
  readonly fetch: RetryingFetch
  readonly told: readonly string[]
}

/** A client that keeps outcomes in a memory of its own; the key of a call stands in `x-order`. */
function keeping(options: FetchOptions = {}, kept: Partial<RetrysafeOptions> = {}): Kept {
  const { safe, events: told } = tellingSafe('memory:', kept)
  onTestFinished(() => safe.close({ drainMs: 0 }))
  const key = (request: Request): string | null => request.headers.get('x-order')
  return { fetch: createFetch({ safe, key, baseDelayMs: 0, budget: false, ...options }), told }
}

/** The call `x-order: k`. */
function post(fetch: typeof globalThis.fetch, change: RequestInit = {}, to: string = url): Promise<Response> {
  const { headers, ...rest } = change
  return fetch(to, {
    method: 'POST',
    body: '{"a":1}',
    headers: { 'x-order': 'k', ...json, ...(headers as object) },
    ...rest,
  })
}

/** Status, whether it is a replay, and text or code. */
async function seen(answer: Promise<Response>): Promise<[number, string | null, unknown]> {
  const response = await answer
  const text = await response.text()
  const isProblem = response.headers.get('content-type') === 'application/problem+json'
  return [response.status, response.headers.get('idempotent-replayed'), isProblem ? JSON.parse(text).code : text]
}

describe('a call that is made again', () => {
  test('gets the first answer; nothing is sent', async () => {
    const { fetch, told } = keeping()
    host.script(reply('{"run":1}', { ...json, 'x-own': '1', 'set-cookie': 'a=b' }))
    expect(await seen(post(fetch))).toEqual([200, null, '{"run":1}'])
    const again = await post(fetch)
    expect([again.headers.get('x-own'), again.headers.get('set-cookie'), again.url]).toEqual(['1', null, url])
    expect(await seen(Promise.resolve(again))).toEqual([200, 'true', '{"run":1}'])
    expect([host.asked.length, told]).toEqual([1, ['executed 1', 'replayed']])
    expect(fetch.counts()).toEqual({ calls: 2, attempts: 1, ambiguous: 0, resumes: 0 })
  })

  test('control: without safe it is paid for twice', async () => {
    const fetch = createFetch({ key: request => request.headers.get('x-order') })
    host.script(reply('{"run":1}', json), reply('{"run":2}', json))
    expect([await seen(post(fetch)), await seen(post(fetch))]).toEqual([
      [200, null, '{"run":1}'],
      [200, null, '{"run":2}'],
    ])
    expect(host.asked.length).toBe(2)
  })

  test('while it runs joins it', async () => {
    const { fetch, told } = keeping()
    const go = gate()
    host.script(response => void go.opened.then(() => response.writeHead(200, json).end('{"run":1}')))
    const calls = Array.from({ length: 10 }, () => seen(post(fetch)))
    await eventually(() => host.asked.length).toBe(1)
    go.open()
    const answers = await Promise.all(calls)
    expect(answers.map(([status, , text]) => [status, text])).toEqual(Array(10).fill([200, '{"run":1}']))
    expect(answers.filter(([, replayed]) => replayed === null).length).toBe(1)
    expect([host.asked.length, told.filter(word => word === 'executed 1').length]).toEqual([1, 1])
  })

  test('with its key in the header, too', async () => {
    const { fetch } = keeping()
    host.script(reply('1', json))
    for (const replayed of [null, 'true']) {
      expect(await seen(post(fetch, { headers: { 'idempotency-key': 'own' } }))).toEqual([200, replayed, '1'])
    }
  })

  test('without a name is another one', async () => {
    const { fetch } = keeping()
    host.script(reply('1', json), reply('2', json))
    const unnamed = (): Promise<Response> => fetch(url, { method: 'POST', body: '{}' })
    expect([await seen(unnamed()), await seen(unnamed())]).toEqual([
      [200, null, '1'],
      [200, null, '2'],
    ])
  })

  test('GET is not kept', async () => {
    const { fetch } = keeping()
    host.script(reply('1'), reply('2'))
    const read = (): Promise<Response> => fetch(url, { headers: { 'x-order': 'k' } })
    expect([await seen(read()), await seen(read())]).toEqual([
      [200, null, '1'],
      [200, null, '2'],
    ])
  })

  test('an answer that came compressed is plain', async () => {
    const { fetch } = keeping()
    host.script(reply(gzipSync('{"run":"é"}'), { ...json, 'content-encoding': 'gzip' }))
    for (const replayed of [null, 'true']) expect(await seen(post(fetch))).toEqual([200, replayed, '{"run":"é"}'])
    expect(host.asked.length).toBe(1)
  })
})

describe('a stream', () => {
  test('is live, and kept whole', async () => {
    const { fetch, told } = keeping()
    const go = gate()
    host.script(response => {
      response.writeHead(200, events)
      response.write(chunk('a'))
      void go.opened.then(() => response.end(chunk('b') + finish))
    })
    const next = chunksOf(await post(fetch))
    expect(await next()).toBe(chunk('a'))
    go.open()
    let rest = ''
    for (let text = await next(); text !== undefined; text = await next()) rest += text
    expect(rest).toBe(chunk('b') + finish)
    expect(await seen(post(fetch))).toEqual([200, 'true', chunk('a') + chunk('b') + finish])
    expect([host.asked.length, told]).toEqual([1, ['executed 1', 'replayed']])
  })

  test.each<[string, Answerer]>([
    ['that is cut', cutAfter(chunk('a'), events)],
    ['that ends before its end', reply(chunk('a'), events)],
    ['with an error in it', reply(`${chunk('a')}data: {"error":{"message":"no"}}\n\n`, events)],
  ])('%s is not kept', async (_, broken) => {
    const { fetch } = keeping()
    host.script(broken, reply(chunk('b') + finish, events))
    await post(fetch)
      .then(answer => answer.text())
      .catch(() => {})
    expect(await seen(post(fetch))).toEqual([200, null, chunk('b') + finish])
    expect(await seen(post(fetch))).toEqual([200, 'true', chunk('b') + finish])
    expect(host.asked.length).toBe(2)
  })
})

describe('what is no retry of it', () => {
  test.each<[string, RequestInit, string, string]>([
    ['another payload', { body: '{"a":2}' }, url, 'refused'],
    ['another path', {}, `${host.url}/v1/other`, 'refused'],
    ['another host', {}, `${other.url}/v1/chat/completions`, 'refused'],
    ['another method', { method: 'PATCH' }, url, 'refused'],
    ['the same in another order', { body: '{ "a": 1 }' }, url, 'replayed'],
    ['another credential', { headers: { authorization: 'Bearer b' } }, url, 'own'],
    ['another credential in the query', {}, `${url}?key=b`, 'own'],
  ])('%s', async (_, change, to, becomes) => {
    const { fetch } = keeping()
    host.script(reply('1', json), reply('2', json))
    await seen(post(fetch, { headers: { authorization: 'Bearer a' } }))
    const headers = { authorization: 'Bearer a', ...(change.headers as object) }
    const expected = { refused: [422, null, 'KEY_REUSED'], replayed: [200, 'true', '1'], own: [200, null, '2'] }
    expect(await seen(post(fetch, { ...change, headers }, to))).toEqual(expected[becomes as 'own'])
    expect([host.asked.length, other.asked.length]).toEqual([becomes === 'own' ? 2 : 1, 0])
  })

  test.each<[string, FetchOptions, unknown[]]>([
    ['single: whoever asks', { tenant: 'single' }, ['1', '1', '1']],
    ['of a function', { tenant: request => request.headers.get('x-user') }, ['1', '2', '1']],
  ])('tenant: %s', async (_, options, texts) => {
    const { fetch } = keeping(options)
    host.script(reply('1', json), reply('2', json))
    const of = (user: string, token: string): Promise<unknown[]> =>
      seen(post(fetch, { headers: { 'x-user': user, authorization: token } }))
    const answers = [await of('u', 'a'), await of('v', 'a'), await of('u', 'b')]
    expect(answers.map(([, , text]) => text)).toEqual(texts)
  })

  test.each<[string, FetchOptions['tenant'], string]>([
    ['throws', () => Promise.reject(new Error('no session')), 'CALLBACK_FAILED'],
    ['gives nobody', () => undefined, 'TENANT_MISSING'],
  ])('a tenant function that %s: an error, and nothing is sent', async (_, tenant, code) => {
    const { fetch } = keeping(tenant === undefined ? {} : { tenant })
    await expect(post(fetch)).rejects.toMatchObject({ name: 'RetrysafeError', code })
    expect(host.asked.length).toBe(0)
  })

  test('a name of its own keeps it apart', async () => {
    const safe = openSafe()
    const named = (name: string): RetryingFetch => createFetch({ safe, name, key: () => 'k' })
    host.script(reply('1', json), reply('2', json))
    const texts = [await seen(post(named('a'))), await seen(post(named('b'))), await seen(post(named('a')))]
    expect(texts.map(([, , text]) => text)).toEqual(['1', '2', '1'])
  })
})

describe('a call that failed', () => {
  test('unsent frees its key', async () => {
    const { fetch, told } = keeping({ retries: 0, onCrash: 'fail' })
    const nowhere = `http://127.0.0.1:${await findFreePort()}/`
    await expect(post(fetch, {}, nowhere)).rejects.toMatchObject({ name: 'TypeError', message: 'fetch failed' })
    host.script(reply('1', json))
    // Free: another host is no reuse of it.
    expect(await seen(post(fetch))).toEqual([200, null, '1'])
    expect(told.at(-1)).toBe('executed 1')
  })

  test.each([400, 429, 500])('with %d is not kept', async status => {
    const { fetch } = keeping({ retries: 0 })
    host.script(reply('no', {}, status), reply('1', json))
    expect(await seen(post(fetch))).toEqual([status, null, 'no'])
    expect(await seen(post(fetch))).toEqual([200, null, '1'])
  })

  test('is retried before anything is kept', async () => {
    const { fetch } = keeping()
    host.script(reply('', {}, 503), reply('1', json))
    expect([await seen(post(fetch)), await seen(post(fetch))]).toEqual([
      [200, null, '1'],
      [200, 'true', '1'],
    ])
  })

  test.each<[string, Answerer]>([
    ['cut', cut],
    ['cut within its answer', cutAfter('{"a":', json)],
  ])('by a %s under onCrash fail is never made again', async (_, broken) => {
    const { fetch } = keeping({ onCrash: 'fail' })
    host.script(broken, reply('1', json))
    expect(await seen(post(fetch))).toEqual([424, null, 'OUTCOME_UNKNOWN'])
    expect(await seen(post(fetch))).toEqual([424, null, 'OUTCOME_UNKNOWN'])
    expect(host.asked.length).toBe(1)
  })

  test('for want of a store is not sent', async () => {
    const inner = memoryStore()
    const gone = new RetrysafeError('STORE_UNAVAILABLE', 'nobody there')
    const { fetch } = keeping({}, { store: { ...inner, claim: () => Promise.reject(gone) } })
    expect(await seen(post(fetch))).toEqual([503, null, 'STORE_UNAVAILABLE'])
    expect(host.asked.length).toBe(0)
  })
})

describe('a caller that leaves', () => {
  test('under finish is recorded for all the same', async () => {
    const { fetch, told } = keeping()
    const go = gate()
    host.script(response => void go.opened.then(() => response.writeHead(200, json).end('1')))
    const controller = new AbortController()
    const call = post(fetch, { signal: controller.signal })
    await eventually(() => host.asked.length).toBe(1)
    controller.abort(new Error('left'))
    await expect(call).rejects.toThrow('left')
    go.open()
    await eventually(() => told).toEqual(['executed 1'])
    expect(await seen(post(fetch))).toEqual([200, 'true', '1'])
    expect(host.asked.length).toBe(1)
  })

  test('in the middle of a stream, too', async () => {
    const { fetch, told } = keeping()
    const go = gate()
    host.script(response => {
      response.writeHead(200, events)
      response.write(chunk('a'))
      void go.opened.then(() => response.end(finish))
    })
    const reader = (await post(fetch)).body?.getReader()
    await reader?.read()
    await reader?.cancel()
    go.open()
    await eventually(() => told).toEqual(['executed 1'])
    expect(await seen(post(fetch))).toEqual([200, 'true', chunk('a') + finish])
  })

  test('under cancel ends the call', async () => {
    const { fetch } = keeping({ onDisconnect: 'cancel' })
    host.script(() => {}, reply('2', json))
    const controller = new AbortController()
    const call = post(fetch, { signal: controller.signal })
    await eventually(() => host.asked.length).toBe(1)
    controller.abort(new Error('left'))
    await expect(call).rejects.toThrow('left')
    await host.asked[0]?.left
    expect(await seen(post(fetch))).toEqual([200, null, '2'])
  })
})
