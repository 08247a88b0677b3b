import { describe, expect, test } from 'vitest'
import { createFetch } from '../../src/client/fetch.ts'
import type { Fetch } from '../../src/client/options.ts'
import { listen } from '../adapters/listening.ts'
import { attemptsAt, same } from './attempts-at.ts'
import { type Asked, openHost, reply } from './host.ts'

const host = await openHost()
const attempts = attemptsAt(host)
const busy = reply('', {}, 503)
const keyed = (key: string): RequestInit => ({ method: 'POST', body: 'x', headers: { 'Idempotency-Key': key } })

const bodyOf = ({ body }: Asked): string => body.toString('latin1')
const typeOf = ({ headers }: Asked): string | undefined => headers['content-type']

describe('the body', () => {
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode('pa')
    yield new TextEncoder().encode('rts')
  }
  const type = { 'content-type': 'text/x' }

  test.each([
    ['a text', () => 'né', undefined, 'text/plain;charset=UTF-8', 'n\xc3\xa9'],
    ['a text with a type', () => '{}', type, 'text/x', '{}'],
    ['a part of a buffer', () => Buffer.from('a part').subarray(2), undefined, undefined, 'part'],
    ['a DataView', () => new DataView(new TextEncoder().encode('view').buffer, 1), undefined, undefined, 'iew'],
    ['a Blob', () => new Blob(['blob'], { type: 'image/x' }), undefined, 'image/x', 'blob'],
    [
      'a query',
      () => new URLSearchParams({ a: '1 2', b: 'é' }),
      undefined,
      'application/x-www-form-urlencoded;charset=UTF-8',
      'a=1+2&b=%C3%A9',
    ],
    ['a stream', () => new Blob(['stream']).stream(), type, 'text/x', 'stream'],
    ['an async iterable', () => parts() as unknown as ReadableStream, type, 'text/x', 'parts'],
    ['nothing', () => undefined, undefined, undefined, ''],
    ['null', () => null, undefined, undefined, ''],
  ])('%s is the same at every attempt', async (_, body, headers, mediaType, text) => {
    const init: RequestInit = { method: 'POST', body: body() ?? null, headers: headers ?? {}, duplex: 'half' }
    const made = await attempts(fetch => fetch(host.url, init))
    expect([same(made, bodyOf), same(made, typeOf)]).toEqual([text, mediaType])
    expect(same(made, ({ headers }) => headers['content-length'])).toBe(String(text.length))
  })

  test('a text reaches a fetch of the user’s own as a text', async () => {
    const seen: unknown[] = []
    const own = createFetch({
      fetch: async (_input, init) => {
        seen.push(init?.body)
        return new Response('ok')
      },
    })
    await own(host.url, { method: 'POST', body: '{"a":1}' })
    expect(seen).toEqual(['{"a":1}'])
  })

  test('what becomes of its bytes does not count', async () => {
    const bytes = new TextEncoder().encode('first')
    const made = await attempts(fetch => {
      const call = fetch(host.url, { method: 'POST', body: bytes })
      bytes.fill(0x21)
      return call
    })
    expect(same(made, bodyOf)).toBe('first')
  })

  test('of a form is the same, its boundary too', async () => {
    const form = new FormData()
    form.set('a', '1')
    form.set('file', new Blob(['content'], { type: 'text/x' }), 'name')
    const made = await attempts(fetch => {
      const call = fetch(host.url, { method: 'POST', body: form })
      form.set('a', '2')
      return call
    })
    const mediaType = same(made, typeOf) ?? ''
    const boundary = mediaType.replace('multipart/form-data; boundary=', '')
    expect(boundary.length).toBeGreaterThan(10)
    expect(same(made, bodyOf)?.replaceAll(boundary, 'B').split('\r\n')).toEqual([
      ...['--B', 'Content-Disposition: form-data; name="a"', '', '1'],
      ...['--B', 'Content-Disposition: form-data; name="file"; filename="name"', 'Content-Type: text/x', '', 'content'],
      ...['--B--', ''],
    ])
  })

  test('of a Request, with its head', async () => {
    const request = new Request(`${host.url}/at?q=1`, { method: 'PATCH', headers: { 'x-own': '1' }, body: 'own' })
    const made = await attempts(fetch => fetch(request))
    const seen = ({ method, target, headers }: Asked): string => `${method} ${target} ${headers['x-own']}`
    expect([same(made, seen), same(made, bodyOf)]).toEqual(['PATCH /at?q=1 1', 'own'])
    expect(request.bodyUsed).toBe(true)
  })

  test('of the options comes before that of a Request', async () => {
    const request = new Request(host.url, { method: 'POST', headers: { 'x-own': '1' }, body: 'own' })
    const init = { method: 'PUT', headers: { 'x-other': '2' }, body: 'other' }
    const made = await attempts(fetch => fetch(request, init))
    const seen = ({ method, headers }: Asked): string => `${method} ${headers['x-own']} ${headers['x-other']}`
    expect([same(made, seen), same(made, bodyOf)]).toEqual(['PUT undefined 2', 'other'])
  })
})

describe('the bound of the body', () => {
  const stream = (length: number): ReadableStream => new Blob([Buffer.alloc(length, 'x')]).stream()
  const bodies: Record<string, (length: number) => RequestInit['body']> = {
    text: length => 'x'.repeat(length),
    bytes: length => Buffer.alloc(length),
    stream,
    request: stream,
  }

  test.each(Object.keys(bodies))('%s', async kind => {
    const call =
      (length: number) =>
      (fetch: Fetch): Promise<Response> => {
        const init: RequestInit = { method: 'POST', body: bodies[kind]?.(length) ?? '', duplex: 'half' }
        return kind === 'request' ? fetch(new Request(host.url, init)) : fetch(host.url, init)
      }
    const made = await attempts(call(100_000), { maxRequestBytes: 100_000 })
    expect(same(made, ({ body }) => String(body.length))).toBe('100000')
    const over = call(100_001)(createFetch({ maxRequestBytes: 100_000 }))
    await expect(over).rejects.toMatchObject({
      name: 'RetrysafeError',
      code: 'BODY_TOO_LARGE',
      message:
        'the body has more than 100000 bytes (maxRequestBytes), and is kept to be sent again: raise it, or set retries to 0',
    })
    expect(host.asked.length).toBe(3)
  })

  test('an endless stream is ended', async () => {
    let cancelled: unknown
    const endless = new ReadableStream({
      pull: controller => controller.enqueue(new Uint8Array(1_000)),
      cancel(reason) {
        cancelled = [reason]
      },
    })
    const call = createFetch({ maxRequestBytes: 10_000 })(host.url, { method: 'POST', body: endless, duplex: 'half' })
    await expect(call).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' })
    expect(cancelled).toEqual([undefined])
  })

  test('without retries a body goes out as it comes, whatever its length', async () => {
    let got: (text: string) => void = () => {}
    const first = new Promise<string>(resolve => {
      got = resolve
    })
    const url = await listen(async (request, response) => {
      let length = 0
      for await (const piece of request) {
        if (length === 0) got(String(piece))
        length += piece.length
      }
      response.end(String(length))
    })
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(Buffer.from('begin'))
        // The second piece is made only when the first has arrived.
        expect(await first).toBe('begin')
        controller.enqueue(Buffer.alloc(1_000_000))
        controller.close()
      },
    })
    const fetch = createFetch({ retries: 0, maxRequestBytes: 10 })
    expect(await (await fetch(url, { method: 'POST', body, duplex: 'half' })).text()).toBe('1000005')
  })
})

describe('what fetch takes besides', () => {
  const redirect = reply('', { location: '/other' }, 307)

  test.each(['options', 'Request'])('redirect, of the %s', async where => {
    const call = (mode: NonNullable<RequestInit['redirect']>): Promise<Response> => {
      const init = { ...keyed('k'), redirect: mode }
      const fetch = createFetch({ baseDelayMs: 0 })
      return where === 'Request' ? fetch(new Request(host.url, init)) : fetch(host.url, init)
    }
    host.script(busy, redirect)
    expect((await call('manual')).status).toBe(307)
    host.script(busy, redirect, reply('there'))
    const followed = await call('follow')
    expect([followed.url, followed.redirected, await followed.text()]).toEqual([`${host.url}/other`, true, 'there'])
    expect(host.asked.at(-1)).toMatchObject({ target: '/other', headers: { 'idempotency-key': 'k' } })
    host.script(busy, redirect, reply('never'))
    const before = host.asked.length
    await expect(call('error')).rejects.toThrow('fetch failed')
    expect(host.asked.length - before).toBe(2)
  })

  test("the platform's own options reach it at every attempt", async () => {
    const dispatcher = { name: 'an agent' }
    const seen: unknown[] = []
    const fetch = createFetch({
      baseDelayMs: 0,
      retries: 1,
      async fetch(_input, init) {
        seen.push(Reflect.get(init ?? {}, 'dispatcher'), init?.keepalive)
        return new Response('', { status: 503 })
      },
    })
    await fetch(host.url, { method: 'POST', body: 'x', keepalive: true, dispatcher } as object)
    await fetch(new Request(host.url), { keepalive: true, dispatcher } as object)
    expect(seen).toEqual(Array(4).fill([dispatcher, true]).flat())
  })

  test('an answer is what fetch gives', async () => {
    host.script(reply('{"a":1}', { 'content-type': 'application/json', 'x-own': '1' }, 201))
    const answer = await createFetch()(host.url, { method: 'POST' })
    const { status, statusText, ok, url, redirected, type, bodyUsed, headers } = answer
    expect({ status, statusText, ok, url, redirected, type, bodyUsed, own: headers.get('x-own') }).toEqual({
      ...{ status: 201, statusText: 'Created', ok: true, url: `${host.url}/`, redirected: false, type: 'basic' },
      ...{ bodyUsed: false, own: '1' },
    })
    const copy = answer.clone()
    expect([await answer.json(), await copy.text()]).toEqual([{ a: 1 }, '{"a":1}'])
  })

  test.each([204, 304])('an answer %d has no body', async status => {
    host.script(response => void response.writeHead(status).end())
    const answer = await createFetch()(host.url)
    expect([answer.status, answer.body]).toEqual([status, null])
  })

  test('a relative URL has a base', async () => {
    host.script(reply('whole'))
    await createFetch({ baseUrl: `${host.url}/v1/` })('models?a=1')
    expect(host.asked[0]?.target).toBe('/v1/models?a=1')
  })

  test('retries use the connection again', async () => {
    const ports = await attempts(fetch => fetch(host.url))
    expect(new Set(ports.map(({ port }) => port)).size).toBe(1)
  })
})
