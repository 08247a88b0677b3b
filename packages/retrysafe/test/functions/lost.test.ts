import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import type { Store } from '../../src/engine/store.ts'
import { callContext, type Retrysafe } from '../../src/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { gate, handleOf, onlyRecord, refusalOf, type Told, tellingSafe } from './stage.ts'

// Two processes on one store; leases of a second, so that what an operator does is heard within a third of one.
let store: Store
let a: Told
let b: Told
let runs: string[]
beforeEach(() => {
  store = memoryStore()
  a = tellingSafe(handleOf(store), { leaseMs: 1_000 })
  b = tellingSafe(handleOf(store), { leaseMs: 1_000 })
  runs = []
})
afterEach(async () => {
  await Promise.all([a.safe.close({ drainMs: 0 }), b.safe.close({ drainMs: 0 })])
  await store.close()
})

const named = { name: 'f', key: (id: string) => id }

/** A function whose runs wait for their answers. */
function waiting(safe: Retrysafe, name: string, answer: Promise<unknown>, options: object = {}) {
  return safe.idempotent(
    async (_: string) => {
      runs.push(name)
      return answer
    },
    { ...named, ...options },
  )
}

async function purge(): Promise<void> {
  const { id, fence } = await onlyRecord(store)
  expect(await store.purge(id, fence, { force: true })).toBe('ok')
}

describe('a record that an operator has removed while its function ran', () => {
  it('the caller gets its own value when nobody else has it', async () => {
    const answer = gate<string>()
    let signal: AbortSignal | undefined
    const f = a.safe.idempotent(async (_: string) => {
      signal = callContext()?.signal
      return answer.opened
    }, named)
    const call = f('k')
    await eventually(() => signal !== undefined).toBe(true)
    await purge()
    await eventually(() => signal?.aborted).toBe(true)
    expect(signal?.reason).toMatchObject({ code: 'LEASE_LOST' })
    answer.open('mine')
    expect(await call).toBe('mine')
    expect(a.events).toEqual(['executed 1 in vain'])
  })

  it('or its own error', async () => {
    const failing = gate()
    const error = new Error('mine')
    const f = waiting(
      a.safe,
      'a',
      failing.opened.then(() => Promise.reject(error)),
    )
    const call = f('k')
    await eventually(() => runs).toEqual(['a'])
    await purge()
    failing.open()
    await expect(call).rejects.toBe(error)
  })

  it('who runs it anew meanwhile has the outcome of both', async () => {
    const answers = [gate<string>(), gate<string>()]
    const first = waiting(a.safe, 'a', answers[0]?.opened ?? Promise.reject())('k')
    await eventually(() => runs).toEqual(['a'])
    await purge()
    const second = waiting(b.safe, 'b', answers[1]?.opened ?? Promise.reject())('k')
    await eventually(() => runs).toEqual(['a', 'b'])
    answers[1]?.open('theirs')
    expect(await second).toBe('theirs')
    // Without an answer of its own yet.
    expect(await first).toBe('theirs')
    answers[0]?.open('mine')
    expect(await waiting(a.safe, 'a', Promise.resolve('none'))('k')).toBe('theirs')
    expect(runs).toEqual(['a', 'b'])
  })
})

describe('a run that an operator cancels', () => {
  async function cancelled(answer: Promise<unknown>): Promise<{ call: Promise<unknown>; signal: AbortSignal }> {
    let signal: AbortSignal | undefined
    const f = a.safe.idempotent(async (_: string) => {
      signal = callContext()?.signal
      return answer
    }, named)
    const call = f('k')
    call.catch(() => {})
    await eventually(() => signal !== undefined).toBe(true)
    const { id, fence } = await onlyRecord(store)
    expect(await store.cancel(id, fence)).toBe('ok')
    await eventually(() => signal?.aborted).toBe(true)
    if (signal === undefined) throw new Error('the function did not run')
    return { call, signal }
  }

  it('hears it by its signal; what it throws reaches the caller, and the key is free', async () => {
    const stopped = gate()
    const error = new Error('stopped')
    const { call, signal } = await cancelled(stopped.opened.then(() => Promise.reject(error)))
    expect(signal.reason).toMatchObject({
      code: 'LEASE_LOST',
      message: 'this run of f must stop: an operator cancelled it',
    })
    stopped.open()
    await expect(call).rejects.toBe(error)
    expect(await waiting(b.safe, 'b', Promise.resolve('anew'))('k')).toBe('anew')
  })

  it('a value that comes all the same is its caller’s, and not recorded', async () => {
    const answer = gate<string>()
    const { call } = await cancelled(answer.opened)
    answer.open('late')
    expect(await call).toBe('late')
    expect(await onlyRecord(store)).toMatchObject({ state: 'purged' })
    expect(a.events).toEqual(['executed 1 in vain'])
  })

  it('items break off, with the reason', async () => {
    const more = gate()
    let signal: AbortSignal | undefined
    let left = false
    const f = a.safe.idempotent(async function* (_: string) {
      signal = callContext()?.signal
      try {
        yield 1
        await more.opened
        yield 2
      } finally {
        left = true
      }
    }, named)
    const answer = await f('k')
    expect(await answer.next()).toEqual({ done: false, value: 1 })
    const { id, fence } = await onlyRecord(store)
    await store.cancel(id, fence)
    const next = refusalOf(answer.next())
    await eventually(() => signal?.aborted).toBe(true)
    more.open()
    expect(await next).toBe('LEASE_LOST this run of f must stop: an operator cancelled it')
    expect(left).toBe(true)
  })
})

describe('a process that dies in the middle', () => {
  it('rerun: another runs it again, which is counted and told; the late value is not the outcome', async () => {
    const answer = gate<string>()
    // It may come to its end before anybody looks.
    const first = refusalOf(waiting(a.safe, 'a', answer.opened)('k'))
    await eventually(() => runs).toEqual(['a'])
    const dying = a.safe.close({ drainMs: 0 })
    expect(await waiting(b.safe, 'b', Promise.resolve('b'))('k')).toBe('b')
    expect(b.events).toEqual(['taken over 2', 'executed 2'])
    answer.open('a')
    // Another has the outcome, and this process may not ask for it any more.
    expect(await first).toMatch(/^DRAINING /)
    await dying
    expect((await onlyRecord(store)).attempt).toBe(2)
  })

  it('fail: nobody runs it again', async () => {
    const first = waiting(a.safe, 'a', new Promise(() => {}), { onCrash: 'fail' })('k')
    first.catch(() => {})
    await eventually(() => runs).toEqual(['a'])
    await a.safe.close({ drainMs: 0 })
    const second = waiting(b.safe, 'b', Promise.resolve('b'), { onCrash: 'fail' })('k')
    expect(await refusalOf(second)).toMatch(/^OUTCOME_UNKNOWN f: After 1 attempt/)
    expect([runs, b.events]).toEqual([['a'], ['unknown']])
  })
})

it('items that another took over break off for who read them, and are whole for who comes then', async () => {
  const more = gate()
  const numbers = (safe: Retrysafe, name: string) =>
    safe.idempotent(async function* (_: string) {
      runs.push(name)
      yield 1
      if (name === 'a') await more.opened
      yield 2
    }, named)
  const first = await numbers(a.safe, 'a')('k')
  expect(await first.next()).toEqual({ done: false, value: 1 })
  await purge()
  const second = await numbers(b.safe, 'b')('k')
  expect([await second.next(), await second.next(), await second.next()]).toEqual([
    { done: false, value: 1 },
    { done: false, value: 2 },
    { done: true, value: undefined },
  ])
  expect(await refusalOf(first.next())).toBe(
    'LEASE_LOST this run of f must stop: its record was taken over, or removed',
  )
  more.open()
})

it('the store gone after the effect: the caller gets its value, and nobody runs it again', async () => {
  let isGone = false
  const inner = handleOf(store)
  const failing = new Proxy(inner, {
    get: (target, name): unknown => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown =>
        isGone && name === 'complete' ? Promise.reject(new Error('gone')) : Reflect.apply(member, target, args)
    },
  })
  const c = tellingSafe(failing)
  const f = waiting(c.safe, 'c', Promise.resolve('mine'))
  isGone = true
  expect(await f('k')).toBe('mine')
  isGone = false
  await eventually(async () => (await onlyRecord(store)).state).toBe('completed')
  expect(await waiting(b.safe, 'b', Promise.resolve('b'))('k')).toBe('mine')
  await c.safe.close()
})

it('the store gone before: STORE_UNAVAILABLE, and nothing runs', async () => {
  await store.close()
  expect(await refusalOf(waiting(a.safe, 'a', Promise.resolve('a'))('k'))).toMatch(/^STORE_UNAVAILABLE /)
  expect(runs).toEqual([])
})
