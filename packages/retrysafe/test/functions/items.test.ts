import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { readOutcome } from '../../src/engine/function-outcome.ts'
import type { Store } from '../../src/engine/store.ts'
import { callContext, type Retrysafe } from '../../src/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { all, gate, onlyRecord, refusalOf, tellingSafe } from './stage.ts'

let store: Store
let safe: Retrysafe
let events: string[]
let runs: number
beforeEach(() => {
  store = memoryStore()
  ;({ safe, events } = tellingSafe(store))
  runs = 0
})
afterEach(() => safe.close({ drainMs: 0 }))

const named = { name: 'stream', key: (id: string) => id }

describe('an async iterable', () => {
  it('is recorded item by item: a replay iterates the same, the returned value too', async () => {
    const items = [
      1,
      undefined,
      { at: new Date(5) },
      new Map([[1n, new Uint8Array([7])]]),
      '',
      Number.NaN,
      'x'.repeat(100_000),
    ]
    const f = safe.idempotent(async function* (_: string) {
      runs++
      yield* items
      return 'end'
    }, named)
    const walk = async (): Promise<unknown[]> => {
      const answer = await f('a')
      const seen: unknown[] = []
      let step = await answer.next()
      for (; !step.done; step = await answer.next()) seen.push(step.value)
      return [...seen, step.value]
    }
    expect(await walk()).toStrictEqual([...items, 'end'])
    expect(await walk()).toStrictEqual([...items, 'end'])
    expect(runs).toBe(1)
    expect(events).toEqual(['executed 1', 'replayed'])
  })

  it('can be iterated without an await, as the function itself', async () => {
    const f = safe.idempotent(async function* (_: string) {
      yield* ['a', 'b']
    }, named)
    expect(await all(f('k'))).toEqual(['a', 'b'])
    expect(await all(f('k'))).toEqual(['a', 'b'])
  })

  it('may come as a promise, or of a plain function', async () => {
    async function* words(): AsyncGenerator<string> {
      yield* ['a', 'b']
    }
    const promised = safe.idempotent(async (_: string) => words(), { ...named, name: 'promised' })
    const plain = safe.idempotent((_: string) => words(), { ...named, name: 'plain' })
    expect([await all(await promised('k')), await all(await promised('k'))]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
    expect([await all(plain('k')), await all(plain('k'))]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
  })

  it('a web stream is one', async () => {
    const f = safe.idempotent(async (_: string) => new Blob(['hello']).stream(), named)
    expect(Buffer.concat(await all(await f('k'))).toString()).toBe('hello')
    expect(Buffer.concat(await all(await f('k'))).toString()).toBe('hello')
  })

  it('of no items is one all the same', async () => {
    const f = safe.idempotent(async function* (_: string) {
      runs++
      yield* []
    }, named)
    expect([await all(f('k')), await all(f('k')), runs]).toEqual([[], [], 1])
  })

  it('is live: the first caller and joiners get an item when it is there', async () => {
    const gates = [gate(), gate()]
    const f = safe.idempotent(async function* (_: string) {
      runs++
      yield 'one'
      await gates[0]?.opened
      yield 'two'
      await gates[1]?.opened
      yield 'three'
    }, named)
    const first = await f('k')
    expect(await first.next()).toEqual({ done: false, value: 'one' })
    const joiner = await f('k')
    expect(await joiner.next()).toEqual({ done: false, value: 'one' })
    gates[0]?.open()
    expect(await first.next()).toEqual({ done: false, value: 'two' })
    expect(await joiner.next()).toEqual({ done: false, value: 'two' })
    gates[1]?.open()
    expect([await all(first), await all(joiner), await all(f('k'))]).toEqual([
      ['three'],
      ['three'],
      ['one', 'two', 'three'],
    ])
    expect(runs).toBe(1)
    expect(events).toEqual(['joined', 'executed 1', 'replayed'])
  })

  it('a caller that stops early does not stop the recording', async () => {
    const rest = gate()
    const f = safe.idempotent(async function* (_: string) {
      yield 1
      await rest.opened
      yield* [2, 3]
    }, named)
    for await (const item of f('k')) {
      expect(item).toBe(1)
      break
    }
    rest.open()
    await eventually(() => events).toEqual(['executed 1'])
    expect(await all(f('k'))).toEqual([1, 2, 3])
  })

  it('nor does one that never begins to iterate', async () => {
    const f = safe.idempotent(async function* (_: string) {
      yield* [1, 2]
    }, named)
    await f('k')
    await eventually(() => events).toEqual(['executed 1'])
    expect(await all(f('k'))).toEqual([1, 2])
  })

  it('a slow reader of many items gets every one', async () => {
    const f = safe.idempotent(async function* (_: string) {
      for (let at = 0; at < 3_000; at++) yield { at, text: 'y'.repeat(100) }
    }, named)
    const slow = await f('k')
    expect((await slow.next()).value).toMatchObject({ at: 0 })
    await eventually(() => events).toEqual(['executed 1'])
    expect((await all(slow)).map(item => item.at)).toEqual(Array.from({ length: 2_999 }, (_, at) => at + 1))
  })

  it('knows its context in every step', async () => {
    const f = safe.idempotent(async function* (_: string) {
      yield callContext()?.key
      await Promise.resolve()
      yield callContext()?.key
    }, named)
    expect(await all(f('k'))).toEqual(['k', 'k'])
  })
})

describe('a source that throws in the middle', () => {
  it('is not recorded: the first caller gets the error itself, joiners one of ours, the next call runs', async () => {
    const failing = gate()
    const error = new Error('cut')
    const f = safe.idempotent(async function* (_: string) {
      yield ++runs
      if (runs > 1) return
      await failing.opened
      throw error
    }, named)
    const first = await f('k')
    const joiner = await f('k')
    expect([await first.next(), await joiner.next()]).toEqual([
      { done: false, value: 1 },
      { done: false, value: 1 },
    ])
    failing.open()
    await expect(first.next()).rejects.toBe(error)
    expect(await refusalOf(joiner.next())).toBe(
      'IN_FLIGHT stream: the run that this call followed ended without an outcome; call again',
    )
    expect(await all(f('k'))).toEqual([2])
    expect(events).toEqual(['joined', 'executed 1 in vain', 'executed 1'])
  })

  it('what it yielded before comes first, however late it is read', async () => {
    const f = safe.idempotent(async function* (_: string) {
      yield* [1, 2]
      throw undefined
    }, named)
    const answer = await f('k')
    await eventually(() => events).toEqual(['executed 1 in vain'])
    expect([await answer.next(), await answer.next()]).toEqual([
      { done: false, value: 1 },
      { done: false, value: 2 },
    ])
    const outcome = await answer.next().then(
      () => 'no error',
      (error: unknown) => ({ error }),
    )
    expect(outcome).toEqual({ error: undefined })
  })
})

describe('an item that cannot be kept', () => {
  it('ends it, naming the item; the source is told to stop', async () => {
    let left = false
    const f = safe.idempotent(async function* (_: string) {
      try {
        yield* [1, { cb: () => 1 }, 3]
      } finally {
        left = true
      }
    }, named)
    const answer = await f('k')
    expect(await answer.next()).toEqual({ done: false, value: 1 })
    expect(await refusalOf(answer.next())).toBe('RESULT_NOT_SERIALIZABLE result[1].cb is a function')
    expect(left).toBe(true)
    expect(await onlyRecord(store)).toMatchObject({ state: 'open', attempt: 1 })
  })

  it('a returned value that cannot be kept is named, too', async () => {
    const f = safe.idempotent(async function* (_: string) {
      yield 1
      return Symbol('s')
    }, named)
    expect(await refusalOf(all(f('k')))).toBe('RESULT_NOT_SERIALIZABLE return is a symbol')
  })

  it('items that are too many reach their first caller, at its pace, and no other', async () => {
    const small = tellingSafe(memoryStore(), { maxResultBytes: 100_000 })
    let made = 0
    const f = small.safe.idempotent(async function* (_: string) {
      for (; made < 400; made++) yield Buffer.alloc(10_000, made)
    }, named)
    const answer = await f('k')
    expect((await answer.next()).value?.[0]).toBe(0)
    await eventually(() => made > 100).toBe(true)
    expect(made).toBeLessThan(150)
    expect((await all(answer)).map(item => item[0])).toEqual(Array.from({ length: 399 }, (_, at) => (at + 1) % 256))
    expect(await refusalOf(f('k'))).toMatch(/^RESULT_NOT_KEPT /)
    await small.safe.close()
  })

  it('whose first caller has left go on without it', async () => {
    const small = tellingSafe(memoryStore(), { maxResultBytes: 100_000 })
    async function* many(): AsyncGenerator<Uint8Array> {
      for (let made = 0; made < 400; made++) yield Buffer.alloc(10_000)
    }
    const begin = gate()
    const f = small.safe.idempotent(
      async (id: string, _?: AbortSignal) => {
        runs++
        if (id === 'left before') await begin.opened
        return many()
      },
      { name: 'stream', key: id => id, signal: (_, signal) => signal },
    )
    for await (const item of await f('left early')) {
      expect(item).toHaveLength(10_000)
      break
    }
    await eventually(() => small.events).toEqual(['executed 1'])
    const leaving = new AbortController()
    const call = f('left before', leaving.signal)
    await eventually(() => runs).toBe(2)
    leaving.abort()
    await expect(call).rejects.toThrow('aborted')
    begin.open()
    await eventually(() => small.events).toEqual(['executed 1', 'executed 1'])
    await small.safe.close()
  })
})

it('a value whose record goes while it is read is told so', async () => {
  const follower = {
    head: { kind: 'returned value' },
    lengthBytes: undefined,
    next: async () => ({ kind: 'broken' }) as const,
    close: vi.fn(),
  } as const
  expect(await refusalOf(readOutcome('f', follower))).toBe(
    'IN_FLIGHT f: the run that this call followed ended without an outcome; call again',
  )
  expect(follower.close).toHaveBeenCalledOnce()
})

it('a signal ends the iterating of its caller alone', async () => {
  const rest = gate()
  const f = safe.idempotent(
    async function* (_: string, __?: AbortSignal) {
      yield 1
      await rest.opened
      yield 2
    },
    { name: 'stream', key: id => id, signal: (_, signal) => signal },
  )
  const leaving = new AbortController()
  const answer = await f('k', leaving.signal)
  expect(await answer.next()).toEqual({ done: false, value: 1 })
  const next = answer.next()
  leaving.abort(new Error('enough'))
  await expect(next).rejects.toThrow('enough')
  rest.open()
  await eventually(() => events).toEqual(['executed 1'])
  expect(await all(f('k'))).toEqual([1, 2])
})
