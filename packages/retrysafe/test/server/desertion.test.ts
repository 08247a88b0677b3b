import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import type { CallEvent } from '../../src/engine/events.ts'
import type { OnDisconnect } from '../../src/engine/policy.ts'
import { createRetrysafe } from '../../src/retrysafe.ts'
import { idempotency, idempotencyOf } from '../../src/server/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { faultyStore, gate } from '../support/faulty-store.ts'

/** A handler that answers when it is told to, in a middleware on a store whose steps a test delivers. */
function open(onDisconnect: OnDisconnect) {
  const faulty = faultyStore(memoryStore())
  const events: CallEvent[] = []
  const safe = createRetrysafe({ store: faulty.store, onEvent: event => void events.push(event) })
  onTestFinished(() => safe.close())
  const signals: AbortSignal[] = []
  let answer: (response: Response) => void = () => {}
  const serve = idempotency({ safe, tenant: 'single', onDisconnect }, request => {
    signals.push(idempotencyOf(request)?.signal ?? AbortSignal.abort())
    return new Promise(resolve => {
      answer = resolve
    })
  })
  const post = (signal?: AbortSignal): Promise<Response> =>
    serve(
      new Request('http://host/', { method: 'POST', headers: { 'Idempotency-Key': 'k' }, ...(signal && { signal }) }),
    )
  return { faulty, events, signals, post, answer: (text: string) => answer(new Response(text)) }
}

test('a caller who leaves while the key is claimed: under cancel nothing is begun, and the key is free', async () => {
  const { faulty, signals, post, answer } = open('cancel')
  const claimed = gate()
  faulty.next('claim', { kind: 'hold', until: claimed.until })
  const leaving = new AbortController()
  void post(leaving.signal)
  await eventually(() => faulty.count('claim')).toBe(1)
  leaving.abort()
  claimed.open()
  await eventually(() => faulty.count('release')).toBe(1)
  expect(signals).toHaveLength(0)
  const retry = post()
  await eventually(() => signals).toHaveLength(1)
  answer('ran')
  expect(await (await retry).text()).toBe('ran')
})

test('a run that is stopped is told as deserted; its retry runs', async () => {
  const { events, signals, post, answer } = open('cancel')
  const leaving = new AbortController()
  void post(leaving.signal)
  await eventually(() => signals).toHaveLength(1)
  leaving.abort()
  await eventually(() => events).toMatchObject([{ type: 'executed', attempt: 1, recorded: false, deserted: true }])
  expect(signals[0]?.aborted).toBe(true)
  const retry = post()
  await eventually(() => signals).toHaveLength(2)
  answer('ran')
  await retry
  await eventually(() => events.at(-1)).toMatchObject({ type: 'executed', attempt: 1, recorded: true, deserted: false })
})

test('grace: who comes back in time finds the run, and nobody stops it', async () => {
  const { faulty, signals, post, answer } = open('grace:1h')
  const leaving = new AbortController()
  void post(leaving.signal)
  await eventually(() => signals).toHaveLength(1)
  leaving.abort()
  const back = post()
  await eventually(() => faulty.count('claim')).toBe(2)
  answer('once')
  const answered = await back
  expect([await answered.text(), answered.headers.get('retrysafe-outcome')]).toEqual(['once', 'joined'])
  expect(signals.map(({ aborted }) => aborted)).toEqual([false])
})

test('grace: who does not come back in time runs anew', async () => {
  const { signals, post, answer } = open('grace:50ms')
  const leaving = new AbortController()
  void post(leaving.signal)
  await eventually(() => signals).toHaveLength(1)
  const leftAtMs = performance.now()
  leaving.abort()
  await eventually(() => signals[0]?.aborted).toBe(true)
  expect(performance.now() - leftAtMs).toBeGreaterThan(49)
  const retry = post()
  await eventually(() => signals).toHaveLength(2)
  answer('anew')
  expect(await (await retry).text()).toBe('anew')
})

test.each(['auto', 'grace', 'grace:', 'grace:soon', 'grace:25h', 0])('onDisconnect %j is refused', given => {
  const safe = createRetrysafe({ store: 'memory:' })
  onTestFinished(() => safe.close())
  const options = { safe, tenant: 'single', onDisconnect: given as OnDisconnect } as const
  expect(() => idempotency(options, () => new Response())).toThrow(
    "onDisconnect takes 'finish', 'cancel' or a time such as 'grace:30s', at most 24h",
  )
})
