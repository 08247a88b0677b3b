import { PassThrough, Readable } from 'node:stream'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { type IdempotencyContext, type IdempotencyOptions, idempotency } from '../../src/adapters/fastify.ts'
import { chunksOf, leave, openSafe, post, sendTwoKeys, told } from './listening.ts'

type Options = Partial<IdempotencyOptions<FastifyRequest>>

/** An app with us; `build` adds its routes. */
async function serve(build: (app: FastifyInstance) => unknown, options: Options = {}): Promise<string> {
  const app = fastify()
  app.register(idempotency, { safe: openSafe(), tenant: 'single', ...options })
  return listen(app, build)
}

async function listen(app: FastifyInstance, build: (app: FastifyInstance) => unknown): Promise<string> {
  app.register(async routes => void (await build(routes)))
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  return url
}

async function codeOf(answer: Promise<Response>): Promise<[number, string]> {
  const response = await answer
  return [response.status, ((await response.json()) as { code: string }).code]
}

test('types: the request and the options need no casts', () => {
  expectTypeOf<FastifyRequest['idempotency']>().toEqualTypeOf<IdempotencyContext>()
  expectTypeOf(fastify().register(idempotency, { safe: openSafe(), tenant: request => request.ip })).not.toBeNever()
  fastify().get('/', { config: { idempotency: false } }, () => 'free')
  // @ts-expect-error: tenant is required
  fastify().register(idempotency, { safe: openSafe() })
})

test('stands for all routes of its instance; a handler knows its call', async () => {
  const seen: unknown[] = []
  const url = await serve(app => {
    app.post('/:id', async (request, reply) => {
      seen.push(request.idempotency.key, request.idempotency.attempt, request.idempotency.replayable)
      reply.code(201)
      return { run: seen.length / 3, body: request.body }
    })
  })
  expect(await told(post(`${url}/a`, 'k'))).toEqual([201, 'executed', '{"run":1,"body":{"a":1}}'])
  expect(await told(post(`${url}/a`, 'k', { body: '{ "a": 1.0 }' }))).toEqual([
    201,
    'replayed',
    '{"run":1,"body":{"a":1}}',
  ])
  expect(await codeOf(post(`${url}/a`, 'k', { body: '{"a":2}' }))).toEqual([422, 'KEY_REUSED'])
  expect(await codeOf(post(`${url}/b`, 'k'))).toEqual([422, 'KEY_REUSED'])
  expect(seen).toEqual(['k', 1, true])
})

test('a route may be left out, and an enclosed instance may have options of its own', async () => {
  let runs = 0
  const safe = openSafe()
  const url = await serve(
    app => {
      app.post('/out', { config: { idempotency: false } }, async request => [++runs, request.idempotency ?? null])
      app.post('/in', async () => ++runs)
      app.register(async inner => {
        inner.register(idempotency, { safe, tenant: 'single', keyless: 'require', keyHeaders: ['X-Request-Id'] })
        inner.post('/inner', async request => [++runs, request.idempotency.key])
      })
    },
    { safe },
  )
  expect(await told(post(`${url}/out`, 'k'))).toEqual([200, null, '[1,null]'])
  expect(await told(post(`${url}/out`, 'k'))).toEqual([200, null, '[2,null]'])
  expect(await codeOf(post(`${url}/inner`, 'k'))).toEqual([400, 'KEY_MISSING'])
  expect(await told(post(`${url}/inner`, 'k', { headers: { 'X-Request-Id': 'x' } }))).toEqual([
    200,
    'executed',
    '[3,"x"]',
  ])
  expect(await told(post(`${url}/in`, 'k'))).toEqual([200, 'executed', '4'])
})

test('options that make no sense keep the app from getting ready', async () => {
  const app = fastify()
  app.register(idempotency, { safe: openSafe(), tenant: 'single', waitMs: -1 })
  await expect(app.ready()).rejects.toThrow('waitMs')
})

describe('answers', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
  test.each<[string, (request: FastifyRequest, reply: FastifyReply) => unknown, Buffer]>([
    ['an object', () => ({ a: [1] }), Buffer.from('{"a":[1]}')],
    ['a text', (_q, reply) => reply.send('grüß'), Buffer.from('grüß')],
    ['bytes', (_q, reply) => reply.send(bytes), bytes],
    ['a stream', (_q, reply) => reply.send(Readable.from([bytes, bytes])), Buffer.concat([bytes, bytes])],
    ['a web stream', (_q, reply) => reply.send(new Blob([bytes]).stream()), bytes],
    ['a Response', () => new Response(bytes), bytes],
    [
      'reply.raw',
      (_q, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'Content-Type': 'text/plain' })
        reply.raw.write('a')
        reply.raw.end('b')
      },
      Buffer.from('ab'),
    ],
    ['204', (_q, reply) => reply.code(204).send(), Buffer.alloc(0)],
  ])('%s', async (_name, handler, expected) => {
    let runs = 0
    const url = await serve(app => {
      app.post('/', (request, reply) => {
        runs += 1
        return handler(request, reply)
      })
    })
    for (const word of ['executed', 'replayed']) {
      const answer = await post(url, 'k')
      expect([answer.headers.get('retrysafe-outcome'), Buffer.from(await answer.arrayBuffer())]).toEqual([
        word,
        expected,
      ])
    }
    expect(runs).toBe(1)
  })

  test('what hooks set before the handler stands anew on a replay; onSend and serialisers have made what is recorded', async () => {
    let requests = 0
    const app = fastify()
    app.addHook('onRequest', async (_request, reply) => {
      requests += 1
      reply.header('Access-Control-Allow-Origin', '*').header('X-Request', requests).header('Vary', 'Origin')
    })
    app.register(idempotency, { safe: openSafe(), tenant: 'single' })
    let sent = 0
    const url = await listen(app, routes => {
      routes.setReplySerializer(payload => `<${JSON.stringify(payload)}>`)
      routes.addHook('onSend', async (_request, reply, payload) => {
        sent += 1
        reply.header('X-Sent', sent)
        return `${payload}!`
      })
      routes.post('/', async (_request, reply) => {
        reply.header('Set-Cookie', 'a=b').header('X-Handler', 'h')
        return { a: 1 }
      })
    })
    const seen = async (answer: Response) => [
      ...['access-control-allow-origin', 'x-request', 'vary', 'x-sent', 'x-handler', 'set-cookie'].map(name =>
        answer.headers.get(name),
      ),
      await answer.text(),
    ]
    expect(await seen(await post(url, 'k'))).toEqual(['*', '1', 'Origin', '1', 'h', 'a=b', '<{"a":1}>!'])
    expect(await seen(await post(url, 'k'))).toEqual(['*', '2', 'Origin', '1', 'h', null, '<{"a":1}>!'])
    expect((await post(url, 'k', { body: '{"a":2}' })).headers.get('access-control-allow-origin')).toBe('*')
  })

  test('onResponse hooks hear of runs, replays and refusals', async () => {
    const heard: number[] = []
    const app = fastify()
    app.addHook('onResponse', async (_request, reply) => void heard.push(reply.statusCode))
    app.register(idempotency, { safe: openSafe(), tenant: 'single' })
    const url = await listen(app, routes => routes.post('/', (_q, reply) => reply.code(201).send('a')))
    await told(post(url, 'k'))
    await told(post(url, 'k'))
    await told(post(url, 'k', { body: '{"a":2}' }))
    await eventually(() => heard).toEqual([201, 201, 422])
  })
})

describe('errors', () => {
  test.each<[string, (reply: FastifyReply) => unknown]>([
    [
      'a throw',
      () => {
        throw new Error('no')
      },
    ],
    ['a rejection', () => Promise.reject(new Error('no'))],
    ['send(error)', reply => reply.send(new Error('no'))],
    [
      'a stream that fails at once',
      reply =>
        reply.send(
          new Readable({
            read() {
              this.destroy(new Error('no'))
            },
          }),
        ),
    ],
  ])('%s frees the key', async (_name, fail) => {
    let runs = 0
    const url = await serve(app => {
      app.post('/', (_request, reply) => {
        runs += 1
        return runs === 1 ? fail(reply) : reply.send('fine')
      })
    })
    expect((await post(url, 'k')).status).toBe(500)
    expect(await told(post(url, 'k'))).toEqual([200, 'executed', 'fine'])
  })

  test("an error handler's answer is the answer", async () => {
    let runs = 0
    const url = await serve(app => {
      app.setErrorHandler((_error, _request, reply) => reply.code(runs === 1 ? 418 : 200).send('handled'))
      app.post('/', async () => {
        runs += 1
        throw new Error('no')
      })
    })
    expect(await told(post(url, 'k'))).toEqual([418, 'executed', 'handled'])
    expect(await told(post(url, 'k'))).toEqual([200, 'executed', 'handled'])
    expect(await told(post(url, 'k'))).toEqual([200, 'replayed', 'handled'])
  })

  test('a stream that breaks in mid-answer breaks the connection, and frees the key', async () => {
    let runs = 0
    const url = await serve(app => {
      app.post('/', (_request, reply) => {
        runs += 1
        const source = new PassThrough()
        source.write('data: 1\n\n')
        if (runs > 1) source.end()
        else setImmediate(() => source.destroy(new Error('no')))
        return reply.type('text/event-stream').send(source)
      })
    })
    await expect(post(url, 'k').then(answer => answer.text())).rejects.toThrow()
    await eventually(() => told(post(url, 'k', { headers: { 'Retrysafe-Wait': '0' } }))).toEqual([
      200,
      'executed',
      'data: 1\n\n',
    ])
  })

  test('a body that is not valid never comes to us', async () => {
    let runs = 0
    const url = await serve(app => {
      const schema = { body: { type: 'object', required: ['a'], properties: { a: { type: 'number' } } } }
      app.post('/', { schema }, async () => ++runs)
    })
    expect((await post(url, 'k', { body: '{"b":1}' })).status).toBe(400)
    expect((await post(url, 'k', { body: '{' })).status).toBe(400)
    expect(await told(post(url, 'k'))).toEqual([200, 'executed', '1'])
  })

  test('a tenant function that throws is told to the app, and nothing runs', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    let runs = 0
    const url = await serve(app => app.post('/', async () => ++runs), {
      tenant: () => {
        throw new Error('no')
      },
    })
    expect(await codeOf(post(url, 'k'))).toEqual([500, 'CALLBACK_FAILED'])
    expect(runs).toBe(0)
  })
})

describe('bodies', () => {
  test('large ones reach the parser whole, and what is too large is refused', async () => {
    const url = await serve(app => app.post('/', async request => JSON.stringify(request.body).length), {
      maxRequestBytes: 600_000,
    })
    expect(await told(post(url, 'k', { body: JSON.stringify(['x'.repeat(500_000)]) }))).toEqual([
      200,
      'executed',
      '500004',
    ])
    expect(await codeOf(post(url, 'k', { body: JSON.stringify(['x'.repeat(600_000)]) }))).toEqual([
      413,
      'BODY_TOO_LARGE',
    ])
    const chunked = new Blob([JSON.stringify(['x'.repeat(600_000)])]).stream()
    expect(await codeOf(post(url, 'k', { body: chunked, duplex: 'half' }))).toEqual([413, 'BODY_TOO_LARGE'])
    const keyless = {
      method: 'POST',
      body: JSON.stringify(['x'.repeat(600_000)]),
      headers: { 'Content-Type': 'application/json' },
    }
    expect(await told(fetch(url, keyless))).toEqual([200, null, '600004'])
  })

  test('what a content type parser leaves to the handler is still there', async () => {
    const url = await serve(app => {
      // As @fastify/multipart does.
      app.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null))
      app.post('/', async request => {
        let bytes = 0
        for await (const chunk of request.raw) bytes += chunk.length
        return bytes > 100_000
      })
    })
    const send = (byte: number) => {
      const form = new FormData()
      form.set('file', new Blob([new Uint8Array(100_000).fill(byte)]), 'a.bin')
      return fetch(url, { method: 'POST', body: form, headers: { 'Idempotency-Key': 'k' } })
    }
    expect(await told(send(1))).toEqual([200, 'executed', 'true'])
    expect(await told(send(1))).toEqual([200, 'replayed', 'true'])
    expect((await send(2)).status).toBe(422)
  })

  test('where another hook has replaced the stream, the parsed value is compared, and a warning says so', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    const app = fastify()
    app.addHook('preParsing', async (_request, _reply, payload) => payload.pipe(new PassThrough()))
    app.register(idempotency, { safe: openSafe(), tenant: 'single' })
    const url = await listen(app, routes => routes.post('/', async request => request.body))
    expect(await told(post(url, 'k'))).toEqual([200, 'executed', '{"a":1}'])
    expect(await told(post(url, 'k'))).toEqual([200, 'replayed', '{"a":1}'])
    expect((await post(url, 'k', { body: '{"a":2}' })).status).toBe(422)
    expect(warn).toHaveBeenCalledTimes(1)
  })
})

describe('streams and clients', () => {
  async function streaming(options: Options = {}) {
    const source = new PassThrough()
    const calls: IdempotencyContext[] = []
    const url = await serve(app => {
      app.post('/', (request, reply) => {
        calls.push(request.idempotency)
        source.write('data: 1\n\n')
        return reply.type('text/event-stream').send(source)
      })
    }, options)
    return { url, source, calls }
  }

  test('the first chunk is shown before there is a second, and a duplicate joins', async () => {
    const { url, source } = await streaming()
    const next = chunksOf(await post(url, 'k'))
    expect(await next()).toBe('data: 1\n\n')
    const joined = await post(url, 'k')
    source.end('data: 2\n\n')
    expect([await next(), await next()]).toEqual(['data: 2\n\n', undefined])
    expect(await told(Promise.resolve(joined))).toEqual([200, 'joined', 'data: 1\n\ndata: 2\n\n'])
  })

  test('a client that leaves does not stop the handler', async () => {
    const { url, source, calls } = await streaming()
    await leave(url)
    source.end('data: 2\n\n')
    expect(await told(post(url, 'k'))).toEqual([
      200,
      expect.stringMatching('replayed|joined'),
      'data: 1\n\ndata: 2\n\n',
    ])
    expect(calls[0]?.signal.aborted).toBe(false)
  })

  test("with onDisconnect 'cancel' its signal fires, its stream is destroyed, and the key is free", async () => {
    const { url, source, calls } = await streaming({ onDisconnect: 'cancel' })
    await leave(url)
    await eventually(() => [calls[0]?.signal.aborted, source.destroyed]).toEqual([true, true])
    await eventually(async () => {
      await (await post(url, 'k', { headers: { 'Retrysafe-Wait': '0' } })).body?.cancel()
      return calls.length
    }).toBeGreaterThan(1)
  })
})

describe('keys', () => {
  test('no key: handled, or refused where one is required; two lines are refused', async () => {
    const seen: unknown[] = []
    const build = (app: FastifyInstance) =>
      app.route({
        method: ['GET', 'POST'],
        url: '/',
        handler: async request => {
          seen.push(request.idempotency.key, request.idempotency.replayable)
          return 'ran'
        },
      })
    const url = await serve(build)
    expect(await told(fetch(url, { method: 'POST' }))).toEqual([200, null, 'ran'])
    expect(await told(fetch(url))).toEqual([200, null, 'ran'])
    expect(await sendTwoKeys(url)).toBe(400)
    expect(seen).toEqual([undefined, false, undefined, false])
    const strict = await serve(build, { keyless: 'require' })
    expect(await codeOf(fetch(strict, { method: 'POST' }))).toEqual([400, 'KEY_MISSING'])
  })

  test('tenants are apart, and may be read of what a hook has left', async () => {
    let runs = 0
    const app = fastify()
    app.decorateRequest('user', '')
    app.addHook('preHandler', async request => {
      Reflect.set(request, 'user', request.headers['x-user'] ?? '')
    })
    app.register(idempotency, { safe: openSafe(), tenant: request => Reflect.get(request, 'user') as string })
    const url = await listen(app, routes => routes.post('/', async () => ++runs))
    const as = (user: string) => told(post(url, 'k', { headers: { 'X-User': user } }))
    expect(await as('ann')).toEqual([200, 'executed', '1'])
    expect(await as('bob')).toEqual([200, 'executed', '2'])
    expect(await as('ann')).toEqual([200, 'replayed', '1'])
    expect(await codeOf(post(url, 'k'))).toEqual([401, 'TENANT_MISSING'])
  })
})
