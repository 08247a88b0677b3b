import { expect, onTestFinished, test, vi } from 'vitest'
import { callContext } from '../../src/engine/context.ts'
import { RetrysafeError } from '../../src/engine/errors.ts'
import type { CallEvent } from '../../src/engine/events.ts'
import { createRetrysafe, type RetrysafeOptions } from '../../src/retrysafe.ts'
import { type IdempotencyOptions, idempotency } from '../../src/server/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'

type Handler = (request: Request) => Response | Promise<Response>

function open(
  handler: Handler,
  options: Partial<IdempotencyOptions<Request>> = {},
  more: Partial<RetrysafeOptions> = {},
): (key: string, headers?: Record<string, string>) => Promise<Response> {
  const safe = createRetrysafe({ store: 'memory:', ...more })
  onTestFinished(() => safe.close())
  const serve = idempotency({ safe, tenant: 'single', ...options }, handler)
  return (key, headers = {}) =>
    serve(new Request('http://host/things', { method: 'POST', headers: { 'Idempotency-Key': key, ...headers } }))
}

const codeOf = async (response: Response): Promise<unknown> => ((await response.json()) as { code: unknown }).code

test('a handler that returns nothing rejects with HANDLER_FAILED, and the next one runs', async () => {
  let runs = 0
  const post = open(() => {
    runs += 1
    return (runs === 1 ? undefined : new Response('second')) as Response
  })
  await expect(post('k')).rejects.toMatchObject({ code: 'HANDLER_FAILED' })
  expect(await (await post('k')).text()).toBe('second')
})

test('what a handler throws is what its caller gets, also if it is no Error', async () => {
  const post = open(() => {
    throw 'a text'
  })
  await expect(post('k')).rejects.toBe('a text')
})

test('a handler that says nothing is given up: HANDLER_TIMEOUT, under fail OUTCOME_UNKNOWN', async () => {
  vi.useFakeTimers()
  const silent: Handler = () => new Promise(() => {})
  const post = open(silent, { handlerTimeoutMs: 5_000 })
  const answer = post('k')
  const silentAnswer = expect(answer).resolves.toMatchObject({ status: 504 })
  await vi.advanceTimersByTimeAsync(6_000)
  await silentAnswer
  expect(await codeOf(await answer)).toBe('HANDLER_TIMEOUT')
  const strict = open(silent, { handlerTimeoutMs: 5_000, onCrash: 'fail' })
  const unknown = strict('k')
  await vi.advanceTimersByTimeAsync(6_000)
  expect(await codeOf(await unknown)).toBe('OUTCOME_UNKNOWN')
  vi.useRealTimers()
})

test('a key or tenant function that fails is CALLBACK_FAILED, and nothing has run', async () => {
  let runs = 0
  const handler: Handler = () => {
    runs += 1
    return new Response()
  }
  const failing = (): never => {
    throw new Error('secret')
  }
  for (const options of [{ key: failing }, { tenant: failing }, { tenant: () => 7 as unknown as string }]) {
    const answer = await open(handler, options)('k')
    const text = await answer.text()
    expect([answer.status, JSON.parse(text).code]).toEqual([500, 'CALLBACK_FAILED'])
    expect(text).not.toContain('secret')
  }
  expect(runs).toBe(0)
})

test('expiryAware: a retry older than the retention is KEY_EXPIRED, unless its outcome is still there', async () => {
  let runs = 0
  const post = open(
    () => {
      runs += 1
      return new Response(`run ${runs}`)
    },
    { expiryAware: true, retentionMs: 60_000 },
  )
  // In the year 2023.
  const old = await post('01890a5d-ac96-774b-bcce-b302099a8057')
  expect([old.status, await codeOf(old)]).toEqual([412, 'KEY_EXPIRED'])
  expect(await codeOf(await post('a', { 'Repeatability-First-Sent': 'Sun, 06 Nov 1994 08:49:37 GMT' }))).toBe(
    'KEY_EXPIRED',
  )
  expect(await (await post('b')).text()).toBe('run 1')
  const replay = await post('b', { 'Repeatability-First-Sent': 'Sun, 06 Nov 1994 08:49:37 GMT' })
  expect([replay.status, await replay.text()]).toEqual([200, 'run 1'])
})

test('what a handler calls knows the call, too', async () => {
  const post = open(() => new Response(callContext()?.key))
  expect(await (await post('order-1')).text()).toBe('order-1')
  expect(callContext()).toBeUndefined()
})

test('a store that is out of reach is told as a refusal', async () => {
  const events: CallEvent[] = []
  const inner = memoryStore()
  const gone = new RetrysafeError('STORE_UNAVAILABLE', 'nobody there')
  const store = { ...inner, claim: () => Promise.reject(gone) }
  const post = open(() => new Response(), {}, { store, onEvent: event => events.push(event) })
  expect((await post('k')).status).toBe(503)
  expect(events).toMatchObject([{ type: 'refused', code: 'STORE_UNAVAILABLE', key: 'k', operation: 'http' }])
})

test('a stream of something else than bytes is no body, and nothing is recorded', async () => {
  let runs = 0
  const post = open(() => {
    runs += 1
    const texts = new ReadableStream({
      start(controller) {
        controller.enqueue('a text')
        controller.close()
      },
    })
    return new Response(texts)
  })
  await expect(post('k').then(response => response.text())).rejects.toThrow()
  await expect(post('k').then(response => response.text())).rejects.toThrow()
  expect(runs).toBe(2)
})

test('closing gives up what runs for too long: its signal fires, and its client is cut off', async () => {
  const safe = createRetrysafe({ store: 'memory:' })
  let signal: AbortSignal | undefined
  const serve = idempotency({ safe, tenant: 'single' }, () => {
    signal = callContext()?.signal
    const body = new ReadableStream({ start: controller => controller.enqueue(Buffer.from('data: 1\n\n')) })
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
  })
  const headers = { 'Idempotency-Key': 'k' }
  const answer = await serve(new Request('http://host/things', { method: 'POST', headers }))
  const reader = answer.body?.getReader()
  expect((await reader?.read())?.done).toBe(false)
  await safe.close({ drainMs: 0 })
  expect(signal?.aborted).toBe(true)
  await expect(reader?.read()).rejects.toThrow('the answer broke off')
})

test('HEAD is no method to record', () => {
  expect(() => open(() => new Response(), { methods: ['POST', 'HEAD'] })).toThrow('an answer to HEAD has no body')
})
