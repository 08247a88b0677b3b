import type { RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import { getRequestListener } from '@hono/node-server'
import express5, { type RequestHandler } from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { idempotency as forExpress } from '../../src/adapters/express.ts'
import { idempotency as forFastify } from '../../src/adapters/fastify.ts'
import { idempotency as forHono } from '../../src/adapters/hono.ts'
import { idempotency as forNode } from '../../src/adapters/node/index.ts'
import type { Retrysafe } from '../../src/retrysafe.ts'
import { idempotency as forFetch } from '../../src/server/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { faultyStore } from '../support/faulty-store.ts'
import { listen, openSafe, post } from './listening.ts'

// An alias of npm's has no types of its own.
const express4 = createRequire(import.meta.url)('express-4') as typeof express5

const text = 'data: one\n\ndata: two\n\n'
const mediaType = { 'Content-Type': 'text/event-stream; charset=utf-8' }
const path = '/_retrysafe/streams'

interface Mount {
  readonly name: string
  /** What stands before the paths. */
  readonly prefix?: string
  mount(safe: Retrysafe): RequestListener | Promise<RequestListener>
}

const codeOf = async (refused: Response): Promise<unknown> => JSON.parse(await refused.text()).code
// @hono/node-server writes the length into the very object.
const events = (): Response => new Response(text, { headers: { ...mediaType } })
const answer: RequestHandler = (_request, response) => void response.set(mediaType).end(text)

function expressMounts(express: typeof express5, version: string): Mount[] {
  return [
    {
      name: `${version}, before everything`,
      mount: safe =>
        express()
          .use(forExpress({ safe, tenant: 'single' }))
          .post('/messages', answer),
    },
    {
      name: `${version}, before one route and at the path of its own`,
      mount(safe) {
        const guard = forExpress({ safe, tenant: 'single' })
        return express().post('/messages', guard, answer).get(`${path}/:id`, guard)
      },
    },
    {
      name: `${version}, before a mounted app`,
      prefix: '/api',
      mount: safe =>
        express()
          .use('/api', forExpress({ safe, tenant: 'single' }))
          .post('/api/messages', answer),
    },
  ]
}

const mounts: Mount[] = [
  {
    name: 'node',
    mount: safe =>
      forNode({ safe, tenant: 'single' }, (_request, response) => response.writeHead(200, mediaType).end(text)),
  },
  { name: 'fetch', mount: safe => getRequestListener(forFetch({ safe, tenant: 'single' }, events)) },
  ...expressMounts(express5, 'express 5'),
  ...expressMounts(express4, 'express 4'),
  {
    name: 'hono, before everything',
    mount(safe) {
      const app = new Hono().use(forHono({ safe, tenant: 'single' })).post('/messages', events)
      return getRequestListener(app.fetch)
    },
  },
  {
    name: 'hono, before one route and at the path of its own',
    mount(safe) {
      const guard = forHono({ safe, tenant: 'single' })
      return getRequestListener(new Hono().post('/messages', guard, events).get(`${path}/:id`, guard).fetch)
    },
  },
  {
    name: 'fastify, for all of the app: its hooks see paths without a route',
    async mount(safe) {
      const app = fastify()
      await app.register(forFastify, { safe, tenant: 'single' })
      app.post('/messages', async (_request, reply) => reply.headers(mediaType).send(text))
      await app.ready()
      return app.routing
    },
  },
  {
    name: 'fastify, for an enclosed instance, which takes a route',
    prefix: '/api',
    async mount(safe) {
      const app = fastify()
      app.register(
        async inner => {
          await inner.register(forFastify, { safe, tenant: 'single' })
          inner.post('/messages', async (_request, reply) => reply.headers(mediaType).send(text))
          inner.get(`${path}/:id`, async (_request, reply) => reply.callNotFound())
        },
        { prefix: '/api' },
      )
      await app.ready()
      return app.routing
    },
  },
]

describe.each(mounts)('$name', ({ mount, prefix = '' }) => {
  test('a stream is resumed, and an id that was made up is a 404 of ours', async () => {
    const url = (await listen(await mount(openSafe()))) + prefix
    await (await post(`${url}/messages`, 'k')).text()
    const replay = await post(`${url}/messages`, 'k')
    expect(await replay.text()).toBe(text)
    const id = replay.headers.get('retrysafe-stream')
    const rest = await fetch(`${url}${path}/${id}?offset=11`)
    expect([rest.status, await rest.text()]).toEqual([200, 'data: two\n\n'])
    expect([rest.headers.get('retrysafe-stream'), rest.headers.get('content-type')]).toEqual([
      id,
      mediaType['Content-Type'],
    ])
    // No id has such characters: it is the app's own.
    expect(await (await fetch(`${url}${path}/report.pdf`)).text()).not.toContain('STREAM_UNKNOWN')
    const none = await fetch(`${url}${path}/made-up?offset=11`)
    expect([none.status, await codeOf(none)]).toEqual([404, 'STREAM_UNKNOWN'])
  })
})

test('a store out of reach is a 503 also under onStoreError open: the handler has no such stream', async () => {
  const { store, always } = faultyStore(memoryStore())
  let runs = 0
  const serve = forFetch({ safe: openSafe(store), tenant: 'single', onStoreError: 'open' }, () => {
    runs += 1
    return events()
  })
  const asked = { method: 'POST', headers: { 'Idempotency-Key': 'k' } }
  await (await serve(new Request('http://host/', asked))).text()
  const id = (await serve(new Request('http://host/', asked))).headers.get('retrysafe-stream')
  const resume = (): Promise<Response> => serve(new Request(`http://host${path}/${id}?offset=11`))
  always('read', { kind: 'reject' })
  const refused = await resume()
  expect([refused.status, refused.headers.get('x-should-retry')]).toEqual([503, 'true'])
  expect(await codeOf(refused)).toBe('STORE_UNAVAILABLE')
  always('read', undefined)
  expect(await (await resume()).text()).toBe('data: two\n\n')
  expect(runs).toBe(1)
})

test('no store is asked for an id that is not genuine', async () => {
  const { store, count } = faultyStore(memoryStore())
  const safe = openSafe(store)
  const serve = forFetch({ safe, tenant: 'credential' }, events)
  const ask = (credential: string, id: unknown): Promise<Response> =>
    serve(new Request(`http://host${path}/${id}`, { headers: { Authorization: `Bearer ${credential}` } }))
  const first = { method: 'POST', headers: { 'Idempotency-Key': 'k', Authorization: 'Bearer alice' } }
  await (await serve(new Request('http://host/', first))).text()
  const id = (await serve(new Request('http://host/', first))).headers.get('retrysafe-stream')
  expect([(await ask('bob', id)).status, (await ask('alice', `${id}A`)).status]).toEqual([404, 404])
  expect([count('read'), count('get')]).toEqual([0, 0])
  // Control: for a genuine one it is.
  expect((await ask('alice', id)).status).toBe(200)
  expect(count('read')).toBeGreaterThan(0)
})

test('who has closed it is told to go elsewhere', async () => {
  const safe = openSafe()
  const serve = forFetch({ safe, tenant: 'single' }, events)
  await safe.close()
  const refused = await serve(new Request(`http://host${path}/any`))
  expect([refused.status, await codeOf(refused)]).toEqual([503, 'DRAINING'])
})

test('a reader of the Fetch standard that stops leaves the run alone, and one of a broken run gets an error', async () => {
  let push: (piece: string) => void = () => {}
  let fail: (error: Error) => void = () => {}
  const serve = forFetch({ safe: openSafe(), tenant: 'single', onDisconnect: 'cancel' }, () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        push = piece => controller.enqueue(new TextEncoder().encode(piece))
        fail = error => controller.error(error)
      },
    })
    return new Response(body, { headers: mediaType })
  })
  const first = await serve(new Request('http://host/', { method: 'POST', headers: { 'Idempotency-Key': 'k' } }))
  const resume = (offset: number): Promise<Response> =>
    serve(new Request(`http://host${path}/${first.headers.get('retrysafe-stream')}?offset=${offset}`))
  push('data: one\n\n')
  const leaver = await resume(0)
  await leaver.body?.cancel()
  const reader = (await resume(5)).body?.getReader()
  const decode = async (): Promise<string> => new TextDecoder().decode((await reader?.read())?.value)
  expect(await decode()).toBe(' one\n\n')
  push('data: two\n\n')
  expect(await decode()).toBe('data: two\n\n')
  fail(new Error('broken'))
  await expect(reader?.read()).rejects.toThrow('the answer broke off')
})
