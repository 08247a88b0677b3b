import { getRequestListener } from '@hono/node-server'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { stream, streamSSE } from 'hono/streaming'
import { validator } from 'hono/validator'
import { describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { type IdempotencyContext, type IdempotencyOptions, idempotency } from '../../src/adapters/hono.ts'
import { chunksOf, leave, listen, openSafe, post, sendTwoKeys, told } from './listening.ts'

function guard(options: Partial<IdempotencyOptions<Context>> = {}): MiddlewareHandler {
  return idempotency({ safe: openSafe(), tenant: 'single', ...options })
}

type Ask = (path: string, key: string, init?: RequestInit) => Promise<Response>

/** Where an app runs: on Node, or bare, as on an edge. */
const places: { name: string; place: (app: Hono) => Promise<Ask> }[] = [
  {
    name: 'on Node',
    async place(app) {
      const url = await listen(getRequestListener(app.fetch))
      return (path, key, init) => post(url + path, key, init)
    },
  },
  {
    name: 'bare',
    async place(app) {
      return async (path, key, { headers, ...init } = {}) => {
        const all = {
          'Idempotency-Key': key,
          'Content-Type': 'application/json',
          ...(headers as Record<string, string>),
        }
        return app.fetch(new Request(`http://edge${path}`, { method: 'POST', body: '{"a":1}', ...init, headers: all }))
      }
    },
  },
]

async function codeOf(answer: Promise<Response>): Promise<[number, string]> {
  const response = await answer
  return [response.status, ((await response.json()) as { code: string }).code]
}

test('types: the context needs no casts', () => {
  expectTypeOf(idempotency).returns.toExtend<MiddlewareHandler>()
  new Hono().post('/', guard(), c => {
    expectTypeOf(c.get('idempotency')).toEqualTypeOf<IdempotencyContext>()
    expectTypeOf(c.var.idempotency.key).toEqualTypeOf<string | undefined>()
    return c.text('')
  })
  // @ts-expect-error: tenant is required
  expect(() => idempotency({ safe: openSafe() })).toThrow('tenant is required')
})

describe.each(places)('$name', ({ place }) => {
  test('a handler runs once a key, knows its call and finds its body', async () => {
    const app = new Hono()
    const seen: unknown[] = []
    app.post('/:id', guard(), async c => {
      const { key, attempt, replayable } = c.get('idempotency')
      seen.push(key, attempt, replayable)
      return c.json({ run: seen.length / 3, body: await c.req.json() }, 201)
    })
    const ask = await place(app)
    expect(await told(ask('/a', 'k'))).toEqual([201, 'executed', '{"run":1,"body":{"a":1}}'])
    expect(await told(ask('/a', 'k', { body: '{ "a": 1.0 }' }))).toEqual([201, 'replayed', '{"run":1,"body":{"a":1}}'])
    expect(await codeOf(ask('/a', 'k', { body: '{"a":2}' }))).toEqual([422, 'KEY_REUSED'])
    expect(await codeOf(ask('/b', 'k'))).toEqual([422, 'KEY_REUSED'])
    expect(seen).toEqual(['k', 1, true])
  })

  test('stands before an app with a base path, and of two on one way the outer serves', async () => {
    const inner = new Hono()
    const safe = openSafe()
    let runs = 0
    inner.use(guard({ safe }))
    inner.post('/deep', guard({ safe }), c => c.text(`${++runs} ${c.req.path}`))
    const ask = await place(new Hono().route('/mounted', inner))
    expect(await told(ask('/mounted/deep', 'k'))).toEqual([200, 'executed', '1 /mounted/deep'])
    expect(await told(ask('/mounted/deep', 'k'))).toEqual([200, 'replayed', '1 /mounted/deep'])
  })

  test('a validator before us has read the body', async () => {
    const app = new Hono()
    const validate = validator('json', value => value as { a: number })
    app.post('/', validate, guard(), async c => c.json([c.req.valid('json'), await c.req.json()]))
    const ask = await place(app)
    expect(await told(ask('/', 'k'))).toEqual([200, 'executed', '[{"a":1},{"a":1}]'])
    expect(await told(ask('/', 'k'))).toEqual([200, 'replayed', '[{"a":1},{"a":1}]'])
    expect((await ask('/', 'k', { body: '{"a":2}' })).status).toBe(422)
  })

  test('a form that was read before us is gone: that is told, and nothing runs', async () => {
    const app = new Hono()
    const errors: unknown[] = []
    let runs = 0
    app.onError((error, c) => {
      errors.push(Reflect.get(error, 'code'))
      return c.text('no', 500)
    })
    app.post('/after', guard({ name: 'after' }), async c => c.json([++runs, (await c.req.parseBody())['a']]))
    app.use('/before', async (c, next) => {
      await c.req.formData()
      await next()
    })
    app.post('/before', guard({ name: 'before' }), c => c.json(++runs))
    const ask = await place(app)
    const form = (): RequestInit => ({
      body: '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n',
      headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
    })
    expect(await told(ask('/after', 'k', form()))).toEqual([200, 'executed', '[1,"1"]'])
    expect(await told(ask('/after', 'k', form()))).toEqual([200, 'replayed', '[1,"1"]'])
    expect((await ask('/before', 'k', form())).status).toBe(500)
    expect([errors, runs]).toEqual([['CONFIG_INVALID'], 1])
  })

  test('who reads the raw request finds every byte', async () => {
    const app = new Hono()
    app.post('/', guard({ maxRequestBytes: 300_000 }), async c =>
      c.text(String((await c.req.raw.arrayBuffer()).byteLength)),
    )
    const ask = await place(app)
    const body = JSON.stringify('x'.repeat(250_000))
    expect(await told(ask('/', 'k', { body }))).toEqual([200, 'executed', '250002'])
    expect(await told(ask('/', 'k', { body }))).toEqual([200, 'replayed', '250002'])
    expect(await codeOf(ask('/', 'large', { body: JSON.stringify('x'.repeat(300_000)) }))).toEqual([
      413,
      'BODY_TOO_LARGE',
    ])
  })

  const bytes = new Uint8Array(256).map((_, at) => at)
  test.each<[string, (c: Context) => Response | Promise<Response>, Uint8Array]>([
    ['json', c => c.json({ a: [1] }), Buffer.from('{"a":[1]}')],
    ['body', c => c.body(bytes), bytes],
    ['a stream', c => c.body(new Blob([bytes, bytes]).stream()), Buffer.concat([bytes, bytes])],
    ['stream()', c => stream(c, async out => void (await out.write(bytes))), bytes],
    [
      'streamSSE()',
      c => streamSSE(c, async out => out.writeSSE({ data: 'a', id: '1' })),
      Buffer.from('data: a\nid: 1\n\n'),
    ],
    ['204', c => c.body(null, 204), Buffer.alloc(0)],
  ])('%s', async (_name, handler, expected) => {
    const app = new Hono()
    let runs = 0
    app.post('/', guard(), c => {
      runs += 1
      return handler(c)
    })
    const ask = await place(app)
    for (const word of ['executed', 'replayed']) {
      const answer = await ask('/', 'k')
      expect(answer.headers.get('retrysafe-outcome')).toBe(word)
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from(expected))
    }
    expect(runs).toBe(1)
  })

  test('what stands outside of us is there on replays too, once, and cookies are for the first caller alone', async () => {
    const app = new Hono()
    let requests = 0
    app.use(cors())
    app.use(async (c, next) => {
      requests += 1
      c.header('X-Before', String(requests))
      if (requests === 1) c.header('X-First', 'yes')
      await next()
      c.header('X-After', String(requests))
    })
    app.post('/', guard(), c => {
      c.header('Set-Cookie', 'a=b')
      c.header('X-Handler', 'h')
      return c.text('a')
    })
    const ask = await place(app)
    const seen = async (answer: Promise<Response>) => {
      const { headers } = await answer
      return ['access-control-allow-origin', 'x-before', 'x-after', 'x-first', 'x-handler', 'set-cookie'].map(name =>
        headers.get(name),
      )
    }
    expect(await seen(ask('/', 'k'))).toEqual(['*', '1', '1', 'yes', 'h', 'a=b'])
    expect(await seen(ask('/', 'k'))).toEqual(['*', '2', '2', null, 'h', null])
  })

  test('compress outside of us compresses runs and replays', async () => {
    const app = new Hono()
    app.use(compress())
    app.post('/', guard(), c => c.text('x'.repeat(100_000)))
    const ask = await place(app)
    for (const word of ['executed', 'replayed']) {
      const answer = await ask('/', 'k', { headers: { 'Accept-Encoding': 'gzip' } })
      expect([answer.headers.get('retrysafe-outcome'), answer.headers.get('content-encoding')]).toEqual([word, 'gzip'])
      const plain = answer.url === '' ? answer.body?.pipeThrough(new DecompressionStream('gzip')) : answer.body
      expect((await new Response(plain ?? null).text()).length).toBe(100_000)
    }
  })

  test.each<[string, () => never, number]>([
    [
      'a throw',
      () => {
        throw new Error('no')
      },
      500,
    ],
    [
      'an HTTPException',
      () => {
        throw new HTTPException(418)
      },
      418,
    ],
  ])('%s frees the key', async (_name, fail, status) => {
    const app = new Hono()
    let runs = 0
    const errors: unknown[] = []
    app.onError((error, c) => {
      errors.push(error)
      return error instanceof HTTPException ? error.getResponse() : c.text('handled', 500)
    })
    app.post('/', guard(), c => {
      runs += 1
      return runs === 1 ? fail() : c.text('fine')
    })
    const ask = await place(app)
    expect((await ask('/', 'k')).status).toBe(status)
    expect(await told(ask('/', 'k'))).toEqual([200, 'executed', 'fine'])
    expect(errors).toHaveLength(1)
  })

  test("a route that is not there is Hono's 404, and the key is free", async () => {
    const app = new Hono()
    app.use(guard())
    const ask = await place(app)
    for (const _ of [1, 2]) expect(await told(ask('/nowhere', 'k'))).toEqual([404, 'executed', '404 Not Found'])
  })

  test('a stream that breaks never ends as if it were whole, and the key is free', async () => {
    // Where the server tells what broke.
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => log.mockRestore())
    const app = new Hono()
    let runs = 0
    app.post('/', guard(), c => {
      runs += 1
      const isFirst = runs === 1
      c.header('Content-Type', 'text/event-stream')
      const source = new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from('data: 1\n\n'))
        },
        pull(controller) {
          if (isFirst) controller.error(new Error('no'))
          else controller.close()
        },
      })
      return c.body(source)
    })
    const ask = await place(app)
    await expect(ask('/', 'k').then(answer => answer.text())).rejects.toThrow()
    await eventually(() => told(ask('/', 'k', { headers: { 'Retrysafe-Wait': '0' } }))).toEqual([
      200,
      'executed',
      'data: 1\n\n',
    ])
  })

  test('the first chunk is shown before there is a second, and a duplicate joins', async () => {
    const app = new Hono()
    let next: () => void = () => {}
    app.post('/', guard(), c =>
      streamSSE(c, async out => {
        await out.writeSSE({ data: '1' })
        await new Promise<void>(resolve => {
          next = resolve
        })
        await out.writeSSE({ data: '2' })
      }),
    )
    const ask = await place(app)
    const read = chunksOf(await ask('/', 'k'))
    expect(await read()).toBe('data: 1\n\n')
    const joined = await ask('/', 'k')
    next()
    expect([await read(), await read()]).toEqual(['data: 2\n\n', undefined])
    expect(await told(Promise.resolve(joined))).toEqual([200, 'joined', 'data: 1\n\ndata: 2\n\n'])
  })

  test('no key: handled, or refused where one is required; tenants are apart', async () => {
    const app = new Hono()
    let runs = 0
    const tenant = (c: Context) => c.req.header('x-user')
    app.on(['GET', 'POST'], '/pass', guard({ tenant }), c => c.json([++runs, c.get('idempotency').replayable]))
    app.post('/require', guard({ tenant, keyless: 'require' }), c => c.json(++runs))
    const ask = await place(app)
    const as = (user: string) => ({ headers: { 'X-User': user } })
    expect(await told(ask('/pass', 'k', as('ann')))).toEqual([200, 'executed', '[1,true]'])
    expect(await told(ask('/pass', 'k', as('bob')))).toEqual([200, 'executed', '[2,true]'])
    expect(await told(ask('/pass', 'k', as('ann')))).toEqual([200, 'replayed', '[1,true]'])
    expect(await codeOf(ask('/pass', 'k'))).toEqual([401, 'TENANT_MISSING'])
    const request = (path: string, method: string) => app.fetch(new Request(`http://edge${path}`, { method }))
    expect(await told(Promise.resolve(request('/pass', 'POST')))).toEqual([200, null, '[3,false]'])
    expect(await told(Promise.resolve(request('/pass', 'GET')))).toEqual([200, null, '[4,false]'])
    expect(await codeOf(Promise.resolve(request('/require', 'POST')))).toEqual([400, 'KEY_MISSING'])
  })
})

describe('clients on Node', () => {
  async function streaming(options: Partial<IdempotencyOptions<Context>> = {}) {
    const app = new Hono()
    const calls: IdempotencyContext[] = []
    const ends: (() => void)[] = []
    const cancelled: number[] = []
    app.post('/', guard(options), c => {
      const run = calls.push(c.get('idempotency'))
      c.header('Content-Type', 'text/event-stream')
      const source = new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from('data: 1\n\n'))
          ends.push(() => {
            controller.enqueue(Buffer.from('data: 2\n\n'))
            controller.close()
          })
        },
        cancel: () => void cancelled.push(run),
      })
      return c.body(source)
    })
    return { url: await listen(getRequestListener(app.fetch)), calls, ends, cancelled }
  }

  test('a client that leaves does not stop the handler', async () => {
    const { url, calls, ends, cancelled } = await streaming()
    await leave(url)
    ends[0]?.()
    expect(await told(post(url, 'k'))).toEqual([
      200,
      expect.stringMatching('replayed|joined'),
      'data: 1\n\ndata: 2\n\n',
    ])
    expect([calls.length, calls[0]?.signal.aborted, cancelled]).toEqual([1, false, []])
  })

  test("with onDisconnect 'cancel' its signal fires, its stream is cancelled, and the key is free", async () => {
    const { url, calls, cancelled } = await streaming({ onDisconnect: 'cancel' })
    await leave(url)
    await eventually(() => [calls[0]?.signal.aborted, cancelled]).toEqual([true, [1]])
    await eventually(async () => {
      await (await post(url, 'k', { headers: { 'Retrysafe-Wait': '0' } })).body?.cancel()
      return calls.length
    }).toBeGreaterThan(1)
  })

  test('two lines of keys are refused', async () => {
    const app = new Hono()
    app.post('/', guard(), c => c.text('ran'))
    expect(await sendTwoKeys(await listen(getRequestListener(app.fetch)))).toBe(400)
  })
})
