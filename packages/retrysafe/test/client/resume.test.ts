import { constants, createGzip } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { AttemptEvent } from '../../src/client/events.ts'
import { createFetch } from '../../src/client/fetch.ts'
import type { FetchOptions } from '../../src/client/options.ts'
import { chunksOf } from '../adapters/listening.ts'
import { gate } from '../functions/stage.ts'
import { type Answerer, cut, cutAfter, openHost, reply } from './host.ts'
import { networkError, scripted, url } from './scripted.ts'

const host = await openHost()
const text = 'data: né\n\ndata: {"a":[1]}\n\ndata: [DONE]\n\n'
const bytes = Buffer.from(text)
const head = { 'content-type': 'text/event-stream', 'retrysafe-stream': 'id-1' }
const post = { method: 'POST', body: '{}', headers: { 'Idempotency-Key': 'k' } }
const quick: FetchOptions = { baseDelayMs: 0, budget: false }

/** The stream from its beginning, cut after so many bytes. */
const cutAt = (at: number): Answerer => cutAfter(bytes.subarray(0, at), head)

function offsetOf(target: string): number {
  return Number(new URL(target, host.url).searchParams.get('offset'))
}

/** What the contract says: the rest, from the offset on; cut after so many bytes of the whole. */
const rest =
  (until = Number.POSITIVE_INFINITY): Answerer =>
  (response, { target }) => {
    const part = bytes.subarray(offsetOf(target), until)
    if (until >= bytes.length) response.writeHead(200, head).end(part)
    else cutAfter(part, head)(response, { target } as never)
  }

function problem(status: number, code: string): Answerer {
  return reply(JSON.stringify({ code }), { 'content-type': 'application/problem+json' }, status)
}

const targets = (): string[] => host.asked.slice(1).map(({ method, target }) => `${method} ${target}`)

describe('a stream that breaks', () => {
  test('at any byte is whole to its reader', async () => {
    const fetch = createFetch(quick)
    for (let at = 0; at <= bytes.length; at++) {
      host.script(cutAt(at), rest())
      expect([at, await (await fetch(host.url, post)).text()]).toEqual([at, text])
      expect(host.asked.at(-1)?.target).toBe(`/_retrysafe/streams/id-1?offset=${at}`)
    }
    expect(fetch.counts()).toEqual({ calls: 43, attempts: 43, ambiguous: 0, resumes: 43 })
  })

  test('again and again is whole, too, as long as bytes come', async () => {
    const steps = Array.from(bytes, (_, at) => rest(at + 1))
    host.script(cutAt(0), ...steps)
    const fetch = createFetch({ ...quick, retries: 1 })
    expect(await (await fetch(host.url, post)).text()).toBe(text)
    expect(fetch.counts()).toEqual({ calls: 1, attempts: 1, ambiguous: 0, resumes: 42 })
  })

  test('without any byte in between, ends after `retries`', async () => {
    host.script(cutAt(10), rest(10), rest(10), rest(10))
    const answer = await createFetch({ ...quick, retries: 2 })(host.url, post)
    await expect(answer.text()).rejects.toThrow('terminated')
    expect(targets()).toEqual(Array(2).fill('GET /_retrysafe/streams/id-1?offset=10'))
  })

  test('is asked for at once, then with jitter, or as the server says', async () => {
    const broken = async (): Promise<Response> => {
      const pieces = ['12', undefined]
      const body = new ReadableStream<Uint8Array>({
        pull(source) {
          const piece = pieces.shift()
          if (piece === undefined) source.error(new TypeError('cut'))
          else source.enqueue(Buffer.from(piece))
        },
      })
      return new Response(body, { headers: head })
    }
    const busy = new Response('', { status: 503, headers: { 'retry-after': '3' } })
    const refused = networkError('ECONNREFUSED')
    const script = [broken, new Response('', { status: 500 }), busy, refused, new Response('34', { headers: head })]
    const { fetch, time, sent, events } = scripted({}, script)
    const whole = (await fetch(url, post)).text()
    await time.advance(60_000)
    expect(await whole).toBe('1234')
    expect(sent.map(({ atMs }) => atMs)).toEqual([0, 0, 250, 3_250, 4_250])
    const common = { kind: 'resume', key: 'k', method: 'POST', url, ambiguous: false }
    const answered = (status: number): AttemptEvent['outcome'] => ({ kind: 'answered', status })
    const again = (delayMs: number): AttemptEvent['next'] => ({ kind: 'retry', delayMs })
    expect(events.slice(1)).toStrictEqual([
      { ...common, attempt: 1, outcome: answered(500), next: again(250) },
      { ...common, attempt: 2, outcome: answered(503), next: again(3_000) },
      { ...common, attempt: 3, outcome: { kind: 'failed', error: refused, sent: false }, next: again(1_000) },
      { ...common, attempt: 4, outcome: answered(200), next: { kind: 'done', reason: 'final' } },
    ])
    expect(fetch.counts()).toEqual({ calls: 1, attempts: 1, ambiguous: 0, resumes: 4 })
  })

  test('by silence goes on', async () => {
    host.script(response => {
      response.writeHead(200, head)
      response.write(bytes.subarray(0, 7))
    }, rest())
    const fetch = createFetch({ ...quick, silenceTimeoutMs: 100 })
    expect(await (await fetch(host.url, post)).text()).toBe(text)
    await host.asked[0]?.left
  })

  test('by a clean end behind Connection: close, as Node 20 tells it, goes on', async () => {
    const closing =
      (from: (target: string) => number, until: number): Answerer =>
      (response, { target }) => {
        response.useChunkedEncodingByDefault = false
        response.writeHead(200, { ...head, connection: 'close' })
        response.end(bytes.subarray(from(target), until))
      }
    // Its true end is confirmed, too.
    host.script(
      closing(() => 0, 12),
      closing(offsetOf, 20),
      closing(offsetOf, bytes.length),
      rest(),
    )
    expect(await (await createFetch(quick)(host.url, post)).text()).toBe(text)
    expect(targets().map(offsetOf)).toEqual([12, 20, 42])
  })

  test('where the answer comes compressed counts plain bytes', async () => {
    const arrived = gate()
    host.script(response => {
      response.writeHead(200, { ...head, 'content-encoding': 'gzip' })
      const gzip = createGzip()
      gzip.on('data', piece => response.write(piece))
      gzip.write(bytes.subarray(0, 25))
      gzip.flush(constants.Z_SYNC_FLUSH)
      void arrived.opened.then(() => response.destroy())
    }, rest())
    const next = chunksOf(await createFetch(quick)(host.url, post))
    let got = ''
    while (got.length < 24) got += await next()
    expect(got).toBe('data: né\n\ndata: {"a":[1]')
    arrived.open()
    expect(got + (await next())).toBe(text)
    expect(targets()).toEqual(['GET /_retrysafe/streams/id-1?offset=25'])
  })
})

describe('the request for the rest', () => {
  test('carries what the call carried, but for its body and its key', async () => {
    host.script(cutAt(3), rest())
    const headers = {
      ...{ authorization: 'Bearer secret', 'x-own': '1', 'idempotency-key': 'k', 'content-type': 'application/json' },
      ...{ 'x-api-key': 'other', 'content-encoding': 'identity' },
    }
    await (await createFetch(quick)(`${host.url}/v1/chat?key=a%20b&stream=1`, { ...post, headers })).text()
    const [, asked] = host.asked
    expect(asked?.target).toBe('/_retrysafe/streams/id-1?offset=3&key=a+b')
    const seen = Object.keys(headers).map(name => asked?.headers[name])
    expect(seen).toEqual(['Bearer secret', '1', undefined, undefined, 'other', undefined])
    expect([asked?.method, asked?.body.length, asked?.headers['content-length']]).toEqual(['GET', 0, undefined])
  })

  test('of a Request, and with another header for the key', async () => {
    host.script(cutAt(3), rest())
    const headers = { authorization: 'Bearer secret', 'x-request-id': 'k' }
    const request = new Request(host.url, { method: 'POST', body: '{}', headers })
    await (await createFetch({ ...quick, keyHeader: 'X-Request-Id' })(request)).text()
    const { authorization, 'x-request-id': key } = host.asked[1]?.headers ?? {}
    expect([authorization, key]).toEqual(['Bearer secret', undefined])
  })

  test.each([
    ['/gateway/streams/', '/gateway/streams/id-1?offset=3'],
    ['/gateway/streams/?a=1', '/gateway/streams/id-1?offset=3'],
  ])('goes where %s says', async (streamsUrl, target) => {
    host.script(cutAt(3), rest())
    expect(await (await createFetch({ ...quick, streamsUrl })(`${host.url}/v1/chat`, post)).text()).toBe(text)
    expect(host.asked[1]?.target).toBe(target)
  })

  test('goes to another origin where that is said', async () => {
    host.script(rest())
    const asked: string[] = []
    const both = createFetch({
      ...quick,
      streamsUrl: `${host.url}/streams/`,
      async fetch(input, init) {
        asked.push(String(input))
        if (String(input).startsWith(host.url)) return fetch(input, init)
        return new Response(bytes.subarray(0, 5), { headers: { ...head, connection: 'close' } })
      },
    })
    expect(await (await both(url, post)).text()).toBe(text)
    expect(asked).toEqual([url, `${host.url}/streams/id-1?offset=5`])
  })
})

describe('a stream whose rest is not to be had', () => {
  const message = (why: string): string =>
    `the stream broke after 12 bytes and cannot be resumed: ${why}; call again with the same key`

  test.each([
    [410, 'STREAM_SUPERSEDED', 'a newer run has begun: what came so far is not its beginning'],
    [404, 'STREAM_UNKNOWN', 'the run broke off, or its record is gone'],
    [416, 'OFFSET_INVALID', 'the stream is shorter than what came of it'],
  ])('%d: %s', async (status, code, why) => {
    host.script(cutAt(12), problem(status, code))
    const answer = await createFetch(quick)(host.url, post)
    const error: unknown = await answer.text().catch(thrown => thrown)
    expect(error).toMatchObject({ name: 'RetrysafeError', code, message: message(why) })
    expect(error).toMatchObject({ cause: { message: 'terminated' } })
    expect(host.asked.length).toBe(2)
  })

  test.each<[string, Answerer[]]>([
    ['nobody knows the path', [reply('<h1>Not found</h1>', { 'content-type': 'text/html' }, 404)]],
    ['somebody takes the path for a page', [reply(text, { 'content-type': 'text/html' })]],
    ['another stream is there', [reply(text, { ...head, 'retrysafe-stream': 'id-2' })]],
    ['the credential is refused', [problem(401, 'TENANT_MISSING')]],
    ['its result was not kept', [problem(424, 'RESULT_NOT_KEPT')]],
    ['the problem is no JSON', [reply('{', { 'content-type': 'application/problem+json' }, 404)]],
    ['the server says not to come again', [reply('', { 'x-should-retry': 'false' }, 503)]],
    ['the server is busy to the end', [reply('', {}, 503), reply('', {}, 429), cut, reply('', {}, 500)]],
  ])('%s: its reader is told of the break itself', async (_, script) => {
    host.script(cutAt(12), ...script)
    const answer = await createFetch(quick)(host.url, post)
    const reader = answer.body?.getReader()
    expect((await reader?.read())?.value?.byteLength).toBe(12)
    await expect(reader?.read()).rejects.toMatchObject({ name: 'TypeError', message: 'terminated' })
    expect(host.asked.length).toBe(1 + script.length)
  })

  test.each<[string, FetchOptions, Record<string, string>]>([
    ['resume is off', { resume: false }, head],
    ['there are no retries', { retries: 0 }, head],
    ['the answer has no id', {}, { 'content-type': 'text/event-stream' }],
  ])('%s: nobody is asked', async (_, options, headers) => {
    host.script(cutAfter(bytes.subarray(0, 12), headers))
    const answer = await createFetch({ ...quick, ...options })(host.url, post)
    await expect(answer.text()).rejects.toThrow('terminated')
    expect(host.asked.length).toBe(1)
  })

  test('the budget is over: the first attempt is free, the next are not', async () => {
    const budget = { deposit: () => {}, withdraw: () => false }
    host.script(cutAt(12), reply('', {}, 503))
    const events: AttemptEvent[] = []
    const fetch = createFetch({ baseDelayMs: 0, budget, onAttempt: event => events.push(event) })
    await expect((await fetch(host.url, post)).text()).rejects.toThrow('terminated')
    expect(events.map(({ kind, next }) => [kind, next.kind === 'done' && next.reason])).toEqual([
      ['call', 'final'],
      ['resume', 'budget'],
    ])
  })
})
