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

test.each(['a text', Object.create(null)])('a handler’s throw is what its caller gets, also %o', async thrown => {
  const post = open(() => {
    throw thrown
  })
  await expect(post('k')).rejects.toBe(thrown)
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
  const withoutText = (): never => {
    throw Object.create(null)
  }
  const notText = (): string => 7 as unknown as string
  for (const options of [{ key: failing }, { tenant: failing }, { tenant: withoutText }, { tenant: notText }]) {
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

test('what is refused before the claim, or instead of a run, is told as a refusal', async () => {
  const events: CallEvent[] = []
  const inner = memoryStore()
  let isOut = false
  const now = (): Promise<number> =>
    isOut ? Promise.reject(new RetrysafeError('STORE_UNAVAILABLE', 'nobody there')) : inner.now()
  const safe = createRetrysafe({ store: { ...inner, now }, onEvent: event => events.push(event) })
  onTestFinished(() => safe.close())
  const options = { safe, tenant: 'single', maxRequestBytes: 7, expiryAware: true } as const
  const serve = idempotency(options, () => new Response())
  async function refused(key: string, body: string, isRead = false): Promise<unknown[]> {
    const asked = new Request('http://host/', { method: 'POST', body, headers: { 'Idempotency-Key': key } })
    if (isRead) await asked.text()
    const { status } = await serve(asked)
    return [status, ...events.splice(0).map(event => [event.type, Reflect.get(event, 'code'), event.key])]
  }
  const old = '01890a5d-ac96-774b-bcce-b302099a8057'
  expect(await refused('k', '{"a":12}')).toEqual([413, ['refused', 'BODY_TOO_LARGE', 'k']])
  expect(await refused('k', '{"a":1}', true)).toEqual([500, ['refused', 'HANDLER_FAILED', 'k']])
  expect(await refused(old, '{"a":1}')).toEqual([412, ['refused', 'KEY_EXPIRED', old]])
  isOut = true
  expect(await refused(old, '{"a":1}')).toEqual([503, ['refused', 'STORE_UNAVAILABLE', old]])
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

test('a name that would be a function’s is refused', async () => {
  expect(() => open(() => new Response(), { name: 'function sum' })).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: "name: what begins with 'function ' is taken, choose another",
    }),
  )
  expect(await (await open(() => new Response('ran'), { name: 'functions' })('k')).text()).toBe('ran')
})

test.each(['Authorization', 'x-api-key', 'Cookie', 'Content-Type', 'Connection', 'Retrysafe-Wait'])(
  '%s cannot carry a key: keys are kept and shown',
  name => {
    const refusal = expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: `keyHeaders: ${name.toLowerCase()} cannot carry a key: it is a credential or has a meaning of its own`,
    })
    expect(() => open(() => new Response(), { keyHeaders: ['X-Request-Id', name] })).toThrow(refusal)
  },
)

test('HEAD is no method to record', () => {
  expect(() => open(() => new Response(), { methods: ['POST', 'HEAD'] })).toThrow('an answer to HEAD has no body')
})
