import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express'
import { describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { type IdempotencyContext, idempotency } from '../../src/adapters/express.ts'
import { chunksOf, leave, listen, openSafe, post, sendTwoKeys, told } from './listening.ts'

const load = createRequire(import.meta.url)
const express4 = load('express-4') as typeof express
const compression = load('compression') as (options: { threshold: number }) => RequestHandler
const multer = load('multer') as () => { single(name: string): RequestHandler }
const versions = [
  { name: 'express 5', create: express },
  { name: 'express 4', create: express4 },
]

/** The app's own log of what its handlers threw is not what we look at. */
function quiet(create: typeof express): Express {
  const app = create()
  app.set('env', 'test')
  return app
}

type Options = Partial<Parameters<typeof idempotency>[0]>

function guard(options: Options = {}): RequestHandler {
  return idempotency({ safe: openSafe(), tenant: 'single', ...options })
}

test('types: the middleware and the request need no casts', () => {
  expectTypeOf(idempotency).returns.toExtend<RequestHandler>()
  expectTypeOf<Request['idempotency']>().toEqualTypeOf<IdempotencyContext>()
  expectTypeOf<Request['idempotency']['key']>().toEqualTypeOf<string | undefined>()
  expectTypeOf<Parameters<typeof idempotency>[0]['tenant']>()
    .extract<(request: Request) => unknown>()
    .parameter(0)
    .toEqualTypeOf<Request>()
})

describe.each(versions)('$name', ({ create }) => {
  test('stands before an app, a router or a route, and its handler knows the call', async () => {
    const app = quiet(create)
    const seen: unknown[] = []
    const handler: RequestHandler = (request, response) => {
      seen.push(request.idempotency.key, request.idempotency.attempt, request.idempotency.replayable)
      response.status(201).json({ run: seen.length / 3, path: request.originalUrl })
    }
    const router = create.Router()
    router.use(guard({ name: 'router' }))
    router.post('/deep', handler)
    app.use('/mounted', router)
    app.post('/route', guard({ name: 'route' }), handler)
    const url = await listen(app)
    expect(await told(post(`${url}/mounted/deep`, 'k'))).toEqual([201, 'executed', '{"run":1,"path":"/mounted/deep"}'])
    expect(await told(post(`${url}/mounted/deep`, 'k'))).toEqual([201, 'replayed', '{"run":1,"path":"/mounted/deep"}'])
    expect(await told(post(`${url}/route`, 'k'))).toEqual([201, 'executed', '{"run":2,"path":"/route"}'])
    expect(seen).toEqual(['k', 1, true, 'k', 1, true])
  })

  test('the path that the client named counts, wherever a router is mounted', async () => {
    const app = quiet(create)
    const router = create.Router()
    router.use(guard())
    router.post('/say', (request, response) => void response.send(request.baseUrl))
    app.use(['/a', '/b'], router)
    const url = await listen(app)
    expect(await told(post(`${url}/a/say`, 'k'))).toEqual([200, 'executed', '/a'])
    expect((await post(`${url}/b/say`, 'k')).status).toBe(422)
  })

  test('of two on one way the outer serves', async () => {
    const app = quiet(create)
    const safe = openSafe()
    let runs = 0
    app.use(guard({ safe }))
    app.post('/', guard({ safe, keyless: 'require' }), (_request, response) => void response.json(++runs))
    const url = await listen(app)
    expect(await told(post(url, 'k'))).toEqual([200, 'executed', '1'])
    expect(await told(post(url, 'k'))).toEqual([200, 'replayed', '1'])
    expect((await fetch(url, { method: 'POST' })).status).toBe(400)
  })

  describe('bodies', () => {
    const echo: RequestHandler = (request, response) => void response.json(request.body)

    test('a parser after us finds every byte, and the order of members is no other request', async () => {
      const app = quiet(create)
      app.post('/', guard(), create.json({ limit: '2mb' }), echo)
      const url = await listen(app)
      const text = 'x'.repeat(600_000)
      expect(await told(post(url, 'k', { body: `{"text":"${text}","n":1}` }))).toEqual([
        200,
        'executed',
        `{"text":"${text}","n":1}`,
      ])
      expect(await told(post(url, 'k', { body: `{"n":1.0,"text":"${text}"}` }))).toEqual([
        200,
        'replayed',
        `{"text":"${text}","n":1}`,
      ])
      expect((await post(url, 'k', { body: `{"n":2,"text":"${text}"}` })).status).toBe(422)
    })

    test('behind a parser its value is compared, and a warning says once how to keep the bytes', async () => {
      const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      onTestFinished(() => warn.mockRestore())
      const app = quiet(create)
      app.use(create.json())
      app.post('/', guard(), echo)
      const url = await listen(app)
      expect(await told(post(url, 'k', { body: '{"a":1, "b":2}' }))).toEqual([200, 'executed', '{"a":1,"b":2}'])
      expect(await told(post(url, 'k', { body: '{"b":2,"a":1}' }))).toEqual([200, 'replayed', '{"a":1,"b":2}'])
      expect((await post(url, 'k', { body: '{"a":1,"b":3}' })).status).toBe(422)
      expect(warn.mock.calls.map(([message]) => message)).toEqual([expect.stringContaining('verify(req, _res, bytes)')])
    })

    test('behind a parser that kept rawBody the bytes are compared, and nothing is said', async () => {
      const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      onTestFinished(() => warn.mockRestore())
      const app = quiet(create)
      app.use(
        create.json({
          verify: (request, _response, bytes) => {
            Reflect.set(request, 'rawBody', bytes)
          },
        }),
      )
      app.post('/', guard(), echo)
      const url = await listen(app)
      expect((await post(url, 'k', { body: '{"n":9007199254740993}' })).status).toBe(200)
      // Their parsed values are one and the same.
      expect((await post(url, 'k', { body: '{"n":9007199254740992}' })).status).toBe(422)
      expect(warn).not.toHaveBeenCalled()
    })

    test('multer after us gets its files, and a new boundary is no other request', async () => {
      const app = quiet(create)
      app.post('/', guard(), multer().single('file'), (request, response) => {
        const file = Reflect.get(request, 'file') as { size: number; originalname: string }
        response.json({ bytes: file.size, name: file.originalname, ...request.body })
      })
      const url = await listen(app)
      const send = (byte: number) => {
        const form = new FormData()
        form.set('file', new Blob([new Uint8Array(200_000).fill(byte)]), 'a.bin')
        form.set('note', 'n')
        return fetch(url, { method: 'POST', body: form, headers: { 'Idempotency-Key': 'k' } })
      }
      expect(await told(send(1))).toEqual([200, 'executed', '{"bytes":200000,"name":"a.bin","note":"n"}'])
      expect(await told(send(1))).toEqual([200, 'replayed', '{"bytes":200000,"name":"a.bin","note":"n"}'])
      expect((await send(2)).status).toBe(422)
    })

    test('a multipart body that is gone is a fault of ours, told to the app, and nothing runs', async () => {
      const app = quiet(create)
      const caught: unknown[] = []
      app.post('/', multer().single('file'), guard(), () => caught.push('ran'))
      app.use(((error, _request, response, _next) => {
        caught.push(error.code)
        response.status(500).end()
      }) as ErrorRequestHandler)
      const url = await listen(app)
      const form = new FormData()
      form.set('file', new Blob(['a']), 'a.bin')
      const answer = await fetch(url, { method: 'POST', body: form, headers: { 'Idempotency-Key': 'k' } })
      expect(answer.status).toBe(500)
      expect(caught).toEqual(['CONFIG_INVALID'])
    })

    test('a body over the limit is refused', async () => {
      const app = quiet(create)
      app.post('/', guard({ maxRequestBytes: 1_000 }), create.json(), echo)
      const url = await listen(app)
      expect((await post(url, 'k', { body: JSON.stringify(['x'.repeat(996)]) })).status).toBe(200)
      const refused = await post(url, 'k2', { body: JSON.stringify(['x'.repeat(997)]) })
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([413, 'BODY_TOO_LARGE'])
      expect(
        (
          await fetch(url, {
            method: 'POST',
            body: JSON.stringify(['x'.repeat(997)]),
            headers: { 'Content-Type': 'application/json' },
          })
        ).status,
      ).toBe(200)
    })
  })

  describe('answers', () => {
    /** Asks once more when the first answer is here. */
    async function twice(handler: RequestHandler): Promise<[globalThis.Response, globalThis.Response]> {
      const app = quiet(create)
      app.post('/', guard(), handler)
      const url = await listen(app)
      const ask = async () => {
        const answer = await post(url, 'k', { redirect: 'manual' })
        const bytes = await answer.arrayBuffer()
        return new globalThis.Response(answer.status === 204 ? null : bytes, answer)
      }
      return [await ask(), await ask()]
    }
    const outcome = (response: globalThis.Response) => response.headers.get('retrysafe-outcome')

    test.each<[string, RequestHandler, number, string]>([
      ['json', (_q, r) => void r.status(201).json({ a: [1] }), 201, '{"a":[1]}'],
      ['send', (_q, r) => void r.type('text/plain').send('grüß'), 200, 'grüß'],
      ['redirect', (_q, r) => r.redirect(303, '/there'), 303, 'See Other. Redirecting to /there'],
      ['sendStatus 204', (_q, r) => void r.sendStatus(204), 204, ''],
      [
        'write',
        (_q, r) => {
          r.write('a')
          r.write('b', 'utf8', () => r.end('c'))
        },
        200,
        'abc',
      ],
      ['pipe', (_q, r) => void Readable.from(['x', 'y']).pipe(r), 200, 'xy'],
      ['pipeline', (_q, r) => pipeline(Readable.from(['x', 'y']), r), 200, 'xy'],
    ])('%s', async (name, handler, status, text) => {
      const [first, second] = await twice(handler)
      expect([first.status, outcome(first), await first.text()]).toEqual([status, 'executed', text])
      const again = name === 'redirect' ? 'executed' : 'replayed'
      expect([second.status, outcome(second), await second.text()]).toEqual([status, again, text])
    })

    test('binary is binary, and cookies are for the first caller alone', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
      const [first, second] = await twice(
        (_q, r) => void r.cookie('session', 's').type('application/octet-stream').send(bytes),
      )
      expect(Buffer.from(await first.arrayBuffer())).toEqual(bytes)
      expect(Buffer.from(await second.arrayBuffer())).toEqual(bytes)
      expect([first.headers.get('set-cookie'), second.headers.get('set-cookie')]).toEqual(['session=s; Path=/', null])
      expect(outcome(second)).toBe('replayed')
    })

    test('sendFile and download', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'retrysafe-express-'))
      onTestFinished(() => rm(folder, { recursive: true }))
      const path = join(folder, 'note.txt')
      await writeFile(path, 'x'.repeat(300_000))
      const [first, second] = await twice((_q, r) => r.sendFile(path))
      expect([outcome(first), (await first.text()).length]).toEqual(['executed', 300_000])
      expect([outcome(second), (await second.text()).length]).toEqual(['replayed', 300_000])
      await writeFile(path, 'short')
      const [, download] = await twice((_q, r) => r.download(path, 'named.txt'))
      expect([outcome(download), await download.text()]).toEqual(['replayed', 'short'])
      expect(download.headers.get('content-disposition')).toMatch(/^attachment; filename="?named.txt"?$/)
    })

    test('a second answer is refused as ever, and changes nothing of the first', async () => {
      const caught: unknown[] = []
      const [first, second] = await twice((_q, r) => {
        r.json('first')
        try {
          r.json('second')
        } catch (error) {
          caught.push((error as { code: string }).code)
        }
      })
      expect(caught).toEqual(['ERR_HTTP_HEADERS_SENT'])
      expect([await first.text(), await second.text()]).toEqual(['"first"', '"first"'])
    })

    test('compression outside of us compresses runs and replays, and streams on', async () => {
      const app = quiet(create)
      app.use(compression({ threshold: 0 }))
      const text = Array.from({ length: 200_000 }, (_, at) => `line ${at}\n`).join('')
      app.post('/whole', guard({ name: 'whole' }), (_q, r) => void r.type('text/plain').send(text))
      app.post('/piped', guard({ name: 'piped' }), (_q, r) => {
        r.type('text/plain')
        Readable.from([text.slice(0, 1_000_000), text.slice(1_000_000)]).pipe(r)
      })
      app.post('/small', guard({ name: 'small' }), (_q, r) => void r.json('small'))
      app.post('/failed', guard({ name: 'failed', handlerTimeoutMs: 100 }), () => {})
      const url = await listen(app)
      for (const path of ['/whole', '/piped', '/small']) {
        const expected = path === '/small' ? '"small"' : text
        for (const word of ['executed', 'replayed']) {
          const answer = await post(url + path, 'k')
          expect([path, outcome(answer), answer.headers.get('content-encoding')]).toEqual([path, word, 'gzip'])
          expect((await answer.text()) === expected).toBe(true)
        }
      }
      const problem = await post(`${url}/failed`, 'k')
      expect([problem.status, ((await problem.json()) as { code: string }).code]).toEqual([504, 'HANDLER_TIMEOUT'])
    })

    test('compression holds nothing back of a stream whose handler flushes, nor from who joins it', async () => {
      const app = quiet(create)
      app.use(compression({ threshold: 0 }))
      const source = new PassThrough()
      app.post('/', guard(), (_q, r) => {
        r.type('text/event-stream')
        source.on('data', chunk => {
          r.write(chunk)
          ;(r as Response & { flush(): void }).flush()
        })
        source.on('end', () => r.end())
        source.write('data: 1\n\n')
      })
      const url = await listen(app)
      const first = await post(url, 'k')
      expect(first.headers.get('content-encoding')).toBe('gzip')
      const next = chunksOf(first)
      expect(await next()).toBe('data: 1\n\n')
      const joins = chunksOf(await post(url, 'k'))
      expect(await joins()).toBe('data: 1\n\n')
      source.end('data: 2\n\n')
      expect([await next(), await joins()]).toEqual(['data: 2\n\n', 'data: 2\n\n'])
    })

    test('what stands outside of us is set anew on a replay', async () => {
      const app = quiet(create)
      let requests = 0
      app.use((_request, response, next) => {
        requests += 1
        response.set('X-Request', String(requests)).set('Access-Control-Allow-Origin', '*')
        next()
      })
      app.post('/', guard(), (_q, r) => void r.set('X-Handler', 'h').json('a'))
      const url = await listen(app)
      const seen = ({ headers }: globalThis.Response) =>
        ['x-request', 'access-control-allow-origin', 'x-handler', 'x-powered-by'].map(name => headers.get(name))
      expect(seen(await post(url, 'k'))).toEqual(['1', '*', 'h', 'Express'])
      expect(seen(await post(url, 'k'))).toEqual(['2', '*', 'h', 'Express'])
    })
  })

  describe('errors', () => {
    /** The first run fails so, the second answers. */
    async function failing(
      fail: RequestHandler,
      errorHandler?: ErrorRequestHandler,
    ): Promise<[number, string | null, string][]> {
      const app = quiet(create)
      let runs = 0
      app.post('/', guard(), (request, response, next) => {
        runs += 1
        if (runs > 1) return void response.json('fine')
        return fail(request, response, next)
      })
      if (errorHandler !== undefined) app.use(errorHandler)
      const url = await listen(app)
      const [status, word] = await told(post(url, 'k'))
      return [[status, word, ''], await told(post(url, 'k'))]
    }
    const freed = [
      [500, 'executed', ''],
      [200, 'executed', '"fine"'],
    ]

    test('next(error) frees the key', async () => {
      expect(await failing((_q, _r, next) => next(new Error('no')))).toEqual(freed)
    })

    test('a throw frees the key', async () => {
      expect(
        await failing(() => {
          throw new Error('no')
        }),
      ).toEqual(freed)
    })

    test.runIf(create === express)('a rejection frees the key', async () => {
      expect(await failing(() => Promise.reject(new Error('no')))).toEqual(freed)
    })

    test("an error handler's answer is the answer: 500 frees the key, 418 as well", async () => {
      const answer =
        (status: number): ErrorRequestHandler =>
        (_e, _q, r, _n) =>
          void r.status(status).json('handled')
      expect(await failing((_q, _r, next) => next(new Error('no')), answer(500))).toEqual(freed)
      expect(await failing((_q, _r, next) => next(new Error('no')), answer(418))).toEqual([
        [418, 'executed', ''],
        freed[1],
      ])
    })

    test('a route that is not there is a 404 of Express, and the key is free', async () => {
      const app = quiet(create)
      app.use(guard())
      const url = await listen(app)
      for (const _ of [1, 2]) {
        const [status, word, text] = await told(post(`${url}/nowhere`, 'k'))
        expect([status, word]).toEqual([404, 'executed'])
        expect(text).toContain('Cannot POST /nowhere')
      }
    })

    test('an error in mid-answer breaks the connection, and frees the key at once', async () => {
      const app = quiet(create)
      let runs = 0
      app.post('/', guard(), (_q, response, next) => {
        runs += 1
        response.type('text/event-stream')
        response.write('data: 1\n\n')
        if (runs > 1) response.end()
        else setImmediate(() => next(new Error('no')))
      })
      const url = await listen(app)
      await expect(post(url, 'k').then(answer => answer.text())).rejects.toThrow()
      await eventually(() => told(post(url, 'k', { headers: { 'Retrysafe-Wait': '0' } }))).toEqual([
        200,
        'executed',
        'data: 1\n\n',
      ])
      expect(runs).toBe(2)
    })

    test('the same when the client has left before', async () => {
      const app = quiet(create)
      let runs = 0
      let fail: () => void = () => {}
      app.post('/', guard(), (_q, response, next) => {
        runs += 1
        response.type('text/event-stream')
        response.write('data: 1\n\n')
        if (runs > 1) response.end()
        else fail = () => next(new Error('no'))
      })
      const url = await listen(app)
      await leave(url)
      fail()
      await eventually(() => told(post(url, 'k', { headers: { 'Retrysafe-Wait': '0' } }))).toEqual([
        200,
        'executed',
        'data: 1\n\n',
      ])
    })
  })

  describe('streams and clients', () => {
    test('the first chunk is shown before there is a second, and a duplicate joins', async () => {
      const app = quiet(create)
      const source = new PassThrough()
      app.post('/', guard(), (_q, response) => {
        response.type('text/event-stream')
        source.pipe(response)
        source.write('data: 1\n\n')
      })
      const url = await listen(app)
      const next = chunksOf(await post(url, 'k'))
      expect(await next()).toBe('data: 1\n\n')
      const joined = await post(url, 'k')
      source.end('data: 2\n\n')
      expect(await next()).toBe('data: 2\n\n')
      expect(await next()).toBeUndefined()
      expect(await told(Promise.resolve(joined))).toEqual([200, 'joined', 'data: 1\n\ndata: 2\n\n'])
    })

    test.each<[string, (response: Response, source: PassThrough) => unknown]>([
      ['pipe', (response, source) => source.pipe(response)],
      ['pipeline', (response, source) => pipeline(source, response).catch(() => {})],
      [
        'write',
        (response, source) => source.on('data', chunk => response.write(chunk)).on('end', () => response.end()),
      ],
    ])('a client that leaves does not stop the handler: %s', async (_name, send) => {
      const app = quiet(create)
      const source = new PassThrough()
      app.post('/', guard(), (_q, response) => {
        response.type('text/event-stream')
        send(response, source)
        source.write('data: 1\n\n')
      })
      const url = await listen(app)
      await leave(url)
      source.write('data: 2\n\n')
      source.end()
      expect(await told(post(url, 'k'))).toEqual([
        200,
        expect.stringMatching('replayed|joined'),
        'data: 1\n\ndata: 2\n\n',
      ])
    })

    test.each<[string, (response: Response, folder: string) => unknown]>([
      ['pipe', response => Readable.from(['a', 'b']).pipe(response)],
      ['pipeline', response => pipeline(Readable.from(['a', 'b']), response).catch(() => {})],
      ['send', response => response.send('ab')],
      ['sendFile', (response, folder) => response.sendFile(join(folder, 'ab.txt'))],
    ])('nor one that has left before the answer: %s', async (_name, send) => {
      const folder = await mkdtemp(join(tmpdir(), 'retrysafe-express-'))
      onTestFinished(() => rm(folder, { recursive: true }))
      await writeFile(join(folder, 'ab.txt'), 'ab')
      const app = quiet(create)
      let runs = 0
      let answer: () => void = () => {}
      const signals: AbortSignal[] = []
      const closed: string[] = []
      app.use((request, _response, next) => {
        request.socket.once('close', () => closed.push('closed'))
        next()
      })
      app.post('/', guard(), (request, response) => {
        runs += 1
        signals.push(request.idempotency.signal)
        answer = () => {
          response.type('text/plain')
          send(response, folder)
        }
      })
      const url = await listen(app)
      const leaving = new AbortController()
      const left = post(url, 'k', { signal: leaving.signal }).catch(() => 'left')
      await eventually(() => runs).toBe(1)
      leaving.abort()
      expect(await left).toBe('left')
      await eventually(() => closed).toEqual(['closed'])
      answer()
      expect(await told(post(url, 'k'))).toEqual([200, expect.stringMatching('replayed|joined'), 'ab'])
      expect([runs, signals[0]?.aborted]).toEqual([1, false])
    })

    test('nor does one that leaves in the middle of a file', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'retrysafe-express-'))
      onTestFinished(() => rm(folder, { recursive: true }))
      await writeFile(join(folder, 'long.txt'), 'x'.repeat(8_000_000))
      const app = quiet(create)
      app.post('/', guard(), (_q, response) => response.sendFile(join(folder, 'long.txt')))
      const url = await listen(app)
      await leave(url)
      const [status, word, text] = await told(post(url, 'k'))
      expect([status, word, text.length]).toEqual([200, expect.stringMatching('replayed|joined'), 8_000_000])
    })

    test('a handler that is given up hears at last that its client has left', async () => {
      const app = quiet(create)
      const heard: string[] = []
      const closed: string[] = []
      app.use((request, _response, next) => {
        request.socket.once('close', () => closed.push('closed'))
        next()
      })
      app.post('/', guard({ handlerTimeoutMs: 500 }), (_q, response) => {
        response.on('close', () => heard.push('close'))
        response.type('text/event-stream').write('data: 1\n\n')
      })
      const url = await listen(app)
      await leave(url)
      await eventually(() => closed).toEqual(['closed'])
      expect(heard).toEqual([])
      await eventually(() => heard).toEqual(['close'])
    })

    test("with onDisconnect 'cancel' its signal fires, the response closes, and the key is free", async () => {
      const app = quiet(create)
      const told: string[] = []
      app.post('/', guard({ onDisconnect: 'cancel' }), (request, response) => {
        told.push('run')
        response.type('text/event-stream')
        response.write('data: 1\n\n')
        request.idempotency.signal.addEventListener('abort', () => told.push('signal'))
        response.on('close', () => told.push('close'))
      })
      const url = await listen(app)
      await leave(url)
      await eventually(() => [...told].sort()).toEqual(['close', 'run', 'signal'])
      const again = await post(url, 'k', { headers: { 'Retrysafe-Wait': '5' } })
      expect(again.headers.get('retrysafe-outcome')).toBe('executed')
      expect(told.filter(word => word === 'run')).toHaveLength(2)
      await again.body?.cancel()
    })
  })

  describe('keys', () => {
    test('no key: handled, or refused where one is required; two lines are refused', async () => {
      const app = quiet(create)
      const seen: unknown[] = []
      const handler: RequestHandler = (request, response) => {
        seen.push(request.idempotency.key, request.idempotency.replayable)
        response.json('ran')
      }
      app.post('/pass', guard(), handler)
      app.get('/pass', guard(), handler)
      app.post('/require', guard({ keyless: 'require' }), handler)
      const url = await listen(app)
      expect(await told(fetch(`${url}/pass`, { method: 'POST' }))).toEqual([200, null, '"ran"'])
      expect(await told(fetch(`${url}/pass`))).toEqual([200, null, '"ran"'])
      const missing = await fetch(`${url}/require`, { method: 'POST' })
      expect([missing.status, ((await missing.json()) as { code: string }).code]).toEqual([400, 'KEY_MISSING'])
      expect(await sendTwoKeys(`${url}/pass`)).toBe(400)
      expect(seen).toEqual([undefined, false, undefined, false])
    })

    test('tenants are apart', async () => {
      const app = quiet(create)
      let runs = 0
      app.post('/', guard({ tenant: request => request.get('x-user') }), (_q, r) => void r.json(++runs))
      const url = await listen(app)
      const as = (user: string) => told(post(url, 'k', { headers: { 'X-User': user } }))
      expect(await as('ann')).toEqual([200, 'executed', '1'])
      expect(await as('bob')).toEqual([200, 'executed', '2'])
      expect(await as('ann')).toEqual([200, 'replayed', '1'])
      expect((await post(url, 'k')).status).toBe(401)
    })
  })
})
