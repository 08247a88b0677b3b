import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { idempotency, idempotencyOf, type NodeHandler } from '../../src/adapters/node/index.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { listen, openSafe, post, told } from './listening.ts'

async function serve(handler: NodeHandler): Promise<(key: string, body?: string) => Promise<Response>> {
  const url = await listen(idempotency({ safe: openSafe(), tenant: 'single' }, handler))
  return (key, body = '{"a":1}') =>
    fetch(url, { method: 'POST', body, headers: { 'Idempotency-Key': key, 'Content-Type': 'application/json' } })
}

test('a handler runs once a key, and its answer is replayed', async () => {
  let runs = 0
  const post = await serve((_request, response) => {
    runs += 1
    response.setHeader('X-Run', runs)
    response.writeHead(201, { 'Content-Type': 'text/plain', 'Set-Cookie': 'a=b' })
    response.write('run ')
    response.end(String(runs))
  })
  expect(await told(post('k'))).toEqual([201, 'executed', 'run 1'])
  const replay = await post('k')
  expect(replay.headers.get('idempotent-replayed')).toBe('true')
  expect(replay.headers.get('x-run')).toBe('1')
  expect(replay.headers.get('set-cookie')).toBeNull()
  expect(await replay.text()).toBe('run 1')
  expect(await told(post('other'))).toEqual([201, 'executed', 'run 2'])
  expect((await post('k', '{"a":2}')).status).toBe(422)
})

test('the handler finds the body, whatever reads it', async () => {
  const post = await serve(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    response.end(`${Buffer.concat(chunks).length} ${idempotencyOf(request)?.key}`)
  })
  const large = JSON.stringify({ text: 'x'.repeat(500_000) })
  expect(await told(post('k', large))).toEqual([200, 'executed', `${large.length} k`])
  expect(await told(post('k', large))).toEqual([200, 'replayed', `${large.length} k`])
})

test('pipe works, and a stream is shown as it comes', async () => {
  let push: (text: string | null) => void = () => {}
  const post = await serve((_request, response) => {
    const source = new Readable({ read() {} })
    push = text => source.push(text)
    response.setHeader('Content-Type', 'text/event-stream')
    source.pipe(response)
    source.push('data: 1\n\n')
  })
  const first = await post('k')
  const reader = first.body?.getReader()
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: 1\n\n')
  const joined = await post('k')
  push('data: 2\n\n')
  push(null)
  expect(await told(Promise.resolve(joined))).toEqual([200, 'joined', 'data: 1\n\ndata: 2\n\n'])
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: 2\n\n')
  expect((await reader?.read())?.done).toBe(true)
})

test('a handler that throws frees the key', async () => {
  let runs = 0
  const post = await serve((_request, response) => {
    runs += 1
    if (runs === 1) throw new Error('no')
    response.end('yes')
  })
  expect((await post('k')).status).toBe(500)
  expect(await told(post('k'))).toEqual([200, 'executed', 'yes'])
})

test('what has no text may be thrown, with a key and without: a 500, a warning, and the server goes on', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  onTestFinished(() => warn.mockRestore())
  const safe = openSafe()
  const mute = Object.assign(Object.create(null), { toString: () => Object.create(null) })
  const handler = (request: IncomingMessage): never => {
    throw request.headers['idempotency-key'] === undefined ? Object.create(null) : mute
  }
  const url = await listen(idempotency({ safe, tenant: 'single' }, handler))
  for (const headers of [{}, { 'Idempotency-Key': 'k' }, {}]) {
    const answer = await fetch(url, { method: 'POST', headers })
    expect([answer.status, await answer.text()]).toEqual([500, 'internal error\n'])
  }
  expect(warn.mock.calls).toEqual([['a handler failed: something that has no text (object)', 'RetrysafeWarning']])
})

test('a client that leaves while its key is claimed frees it: a parser would find no body', async () => {
  let open: () => void = () => {}
  const gate = new Promise<void>(resolve => {
    open = resolve
  })
  const store = memoryStore()
  const claim = store.claim.bind(store)
  let claims = 0
  store.claim = async (...terms) => {
    claims += 1
    await gate
    return claim(...terms)
  }
  const seen: string[] = []
  const guarded = idempotency({ safe: openSafe(store), tenant: 'single' }, async (request, response) => {
    seen.push(await text(request).catch(String))
    response.end('ran')
  })
  const closed: string[] = []
  const url = await listen((request, response) => {
    response.once('close', () => closed.push('closed'))
    guarded(request, response)
  })
  const leaving = new AbortController()
  const left = post(url, 'k', { signal: leaving.signal }).catch(() => 'left')
  await eventually(() => claims).toBe(1)
  leaving.abort()
  expect(await left).toBe('left')
  await eventually(() => closed).toEqual(['closed'])
  open()
  expect(await told(post(url, 'k'))).toEqual([200, 'executed', 'ran'])
  expect(seen).toEqual(['{"a":1}'])
})
