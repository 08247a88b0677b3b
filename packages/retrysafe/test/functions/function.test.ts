import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import type { Store } from '../../src/engine/store.ts'
import { callContext, type IdempotencyContext, type Retrysafe } from '../../src/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { gate, onlyRecord, refusalOf, tellingSafe } from './stage.ts'

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

/** Counts a run. */
function ran<Value>(value: Value): Value {
  runs++
  return value
}

interface Doc {
  readonly id: string
  readonly owner?: string
  readonly text?: string
}

describe('one key, one outcome', () => {
  it('runs once, and gives every later call the same result', async () => {
    const summarize = safe.idempotent(async (doc: Doc) => ({ of: doc.id, run: ++runs }), {
      name: 'summarize',
      key: doc => doc.id,
    })
    expect(await summarize({ id: 'a' })).toEqual({ of: 'a', run: 1 })
    expect(await summarize({ id: 'a' })).toEqual({ of: 'a', run: 1 })
    expect(await summarize({ id: 'b' })).toEqual({ of: 'b', run: 2 })
    expect(events).toEqual(['executed 1', 'replayed', 'executed 1'])
  })

  it('control: without us it runs each time', async () => {
    const summarize = async (doc: Doc): Promise<unknown> => ({ of: doc.id, run: ++runs })
    expect([await summarize({ id: 'a' }), await summarize({ id: 'a' })]).toEqual([
      { of: 'a', run: 1 },
      { of: 'a', run: 2 },
    ])
  })

  it('lets concurrent callers join, each with a copy of its own', async () => {
    const answer = gate<{ n: number }>()
    const f = safe.idempotent((_: string) => ran(answer.opened), { name: 'f', key: id => id })
    const calls = [f('a'), f('a'), f('a')]
    await eventually(() => runs).toBe(1)
    answer.open({ n: 7 })
    const [first, second, third] = await Promise.all(calls)
    expect([first, second, third]).toEqual([{ n: 7 }, { n: 7 }, { n: 7 }])
    expect(second).not.toBe(third)
    expect(runs).toBe(1)
    expect(events.toSorted()).toEqual(['executed 1', 'joined', 'joined'])
  })

  it('undefined is a result like any other', async () => {
    const f = safe.idempotent(async (_: string) => void runs++, { name: 'f', key: id => id })
    expect([await f('a'), await f('a'), runs]).toEqual([undefined, undefined, 1])
  })

  it('a large result survives, too', async () => {
    const f = safe.idempotent(async () => 'ä'.repeat(1_000_000), { name: 'f', key: () => 'k' })
    const first = await f()
    expect((await f()) === first).toBe(true)
  })

  it('functions, tenants and middleware of one key do not meet', async () => {
    const one = safe.idempotent(async (doc: Doc) => `one ${doc.owner}`, {
      name: 'one',
      key: doc => doc.id,
      tenant: doc => doc.owner,
    })
    const two = safe.idempotent(async (doc: Doc) => `two ${doc.owner}`, { name: 'two', key: doc => doc.id })
    const three = safe.idempotent(async (doc: Doc) => `three ${doc.owner}`, { name: 'three', key: doc => doc.id })
    expect(await one({ id: 'k', owner: 'ann' })).toBe('one ann')
    expect(await one({ id: 'k', owner: 'bob' })).toBe('one bob')
    expect(await two({ id: 'k', owner: 'ann' })).toBe('two ann')
    expect(await three({ id: 'k', owner: 'ann' })).toBe('three ann')
  })

  it('keeps this, the name and the number of parameters', async () => {
    class Counter {
      readonly step = 2
      readonly next = safe.idempotent(
        async function count(this: Counter, from: number) {
          return from + this.step
        },
        {
          name: 'count',
          key(from) {
            return `${this.step}-${from}`
          },
        },
      )
    }
    const counter = new Counter()
    expect(await counter.next(1)).toBe(3)
    expect([counter.next.name, counter.next.length]).toEqual(['count', 1])
    expect((await onlyRecord(store)).label).toMatchObject({ key: '2-1', operation: 'count' })
  })

  it('a function that gives no promise gives one now', async () => {
    const f = safe.idempotent((id: string) => `${id}${++runs}`, { name: 'f', key: id => id })
    expect([await f('a'), await f('a')]).toEqual(['a1', 'a1'])
  })

  it('key and tenant may be promises', async () => {
    const f = safe.idempotent(async (doc: Doc) => ran(doc.id), {
      name: 'f',
      key: async doc => doc.id,
      tenant: async doc => doc.owner ?? 'x',
    })
    expect([await f({ id: 'a' }), await f({ id: 'a' }), runs]).toEqual(['a', 'a', 1])
  })

  it('the key is what the arguments were at the call', async () => {
    const doc = { id: 'a' }
    const f = safe.idempotent(async (given: Doc) => given.id, { name: 'f', key: given => given.id })
    const call = f(doc)
    doc.id = 'b'
    await call
    expect((await onlyRecord(store)).label.key).toBe('a')
  })
})

describe('another payload', () => {
  it('under the same key is refused, while it runs and when it is done', async () => {
    const answer = gate()
    const f = safe.idempotent((doc: Doc) => ran(answer.opened).then(() => doc.text), {
      name: 'f',
      key: doc => doc.id,
    })
    const first = f({ id: 'a', text: 'one' })
    await eventually(() => runs).toBe(1)
    const refused = /^KEY_REUSED f: This key was used with another payload\./
    expect(await refusalOf(f({ id: 'a', text: 'two' }))).toMatch(refused)
    answer.open()
    expect(await first).toBe('one')
    expect(await refusalOf(f({ id: 'a', text: 'two' }))).toMatch(refused)
    expect(await f({ text: 'one', id: 'a' })).toBe('one')
    expect(runs).toBe(1)
    expect(events).toEqual(['refused KEY_REUSED', 'executed 1', 'refused KEY_REUSED', 'replayed'])
  })

  it('is refused by one question to the store', async () => {
    const f = safe.idempotent(async (doc: Doc) => doc.text, { name: 'f', key: doc => doc.id })
    await f({ id: 'a', text: 'one' })
    const claim = vi.spyOn(store, 'claim')
    expect(await refusalOf(f({ id: 'a', text: 'two' }))).toMatch(/^KEY_REUSED /)
    expect(claim).toHaveBeenCalledTimes(1)
  })

  it('fingerprint says what counts', async () => {
    const f = safe.idempotent(async (doc: Doc) => doc.text, {
      name: 'f',
      key: doc => doc.id,
      fingerprint: doc => doc.owner,
    })
    expect(await f({ id: 'a', owner: 'ann', text: 'one' })).toBe('one')
    expect(await f({ id: 'a', owner: 'ann', text: 'two' })).toBe('one')
    expect(await refusalOf(f({ id: 'a', owner: 'bob', text: 'one' }))).toMatch(/^KEY_REUSED /)
  })

  it('a signal does not count, nor a last argument that is undefined', async () => {
    const f = safe.idempotent(async (_: string, __?: { signal?: AbortSignal }, more?: number) => ran(more), {
      name: 'f',
      key: id => id,
    })
    await f('a', {})
    await f('a', { signal: new AbortController().signal })
    await f('a', {}, undefined)
    expect(runs).toBe(1)
    expect(await refusalOf(f('a', {}, 1))).toMatch(/^KEY_REUSED /)
  })

  it('arguments without a canonical form are refused, with the cure, and nothing runs', async () => {
    const f = safe.idempotent(async (_: string, on: { token: () => void }) => ran(on.token()), {
      name: 'f',
      key: id => id,
    })
    expect(await refusalOf(f('a', { token: () => {} }))).toBe(
      'CONFIG_INVALID f: args[1].token is a function, and cannot be compared; say what counts of the arguments: idempotent(fn, { fingerprint: (...args) => … })',
    )
    expect([runs, (await store.list({ limit: 1 })).records]).toEqual([0, []])
  })
})

describe('a throw', () => {
  it.each([new TypeError('t'), 'text', undefined, null, { code: 5 }])(
    'reaches the caller as it is: %o',
    async thrown => {
      const f = safe.idempotent(
        async () => {
          if (++runs === 1) throw thrown
          return 'well'
        },
        { name: 'f', key: () => 'k' },
      )
      const outcome = await f().then(
        () => 'no error',
        (error: unknown) => ({ error }),
      )
      expect((outcome as { error: unknown }).error).toBe(thrown)
      expect(await f()).toBe('well')
      expect(events).toEqual(['executed 1 in vain', 'executed 1'])
    },
  )

  it('so does one that is no rejection', async () => {
    const f = safe.idempotent(
      () => {
        throw new RangeError('at once')
      },
      { name: 'f', key: () => 'k' },
    )
    await expect(f()).rejects.toThrow(RangeError)
  })

  it('is nobody else’s: who waited runs itself', async () => {
    const answer = gate()
    const f = safe.idempotent(
      async (_: string) => {
        if (++runs > 1) return 'well'
        await answer.opened
        throw new Error('first')
      },
      { name: 'f', key: id => id },
    )
    const first = f('a')
    await eventually(() => runs).toBe(1)
    const second = f('a')
    await nextTurn()
    answer.open()
    await expect(first).rejects.toThrow('first')
    expect(await second).toBe('well')
    expect(runs).toBe(2)
  })

  it('is no storm: who waited for two failures is told so', async () => {
    const rounds = [gate(), gate()]
    const f = safe.idempotent(
      async (_: string) => {
        await rounds[runs++]?.opened
        throw new Error(`run ${runs}`)
      },
      { name: 'f', key: id => id },
    )
    const calls = [f('a'), f('a'), f('a')].map(call => call.catch((error: Error) => error.message))
    await eventually(() => runs).toBe(1)
    rounds[0]?.open()
    await eventually(() => runs).toBe(2)
    rounds[1]?.open()
    expect((await Promise.all(calls)).toSorted()).toEqual([
      'f: The run that this request waited for failed, and so did the one after it; come again.',
      'run 1',
      'run 2',
    ])
  })
})

describe('a result that cannot be kept', () => {
  it('is named by its path before anything is marked done; the run counts', async () => {
    const f = safe.idempotent(async () => ({ items: [1, 2, { cb: () => ++runs }] }), { name: 'f', key: () => 'k' })
    expect(await refusalOf(f())).toBe('RESULT_NOT_SERIALIZABLE result.items[2].cb is a function')
    expect(await onlyRecord(store)).toMatchObject({ state: 'open', attempt: 1, lengthBytes: 0 })
    expect(events).toEqual(['executed 1 in vain'])
  })

  it('runs again as often as a run may die, and no more', async () => {
    const f = safe.idempotent(async () => ran(Symbol('s')), { name: 'f', key: () => 'k', maxAttempts: 2 })
    const told = [await refusalOf(f()), await refusalOf(f()), await refusalOf(f())].map(text => text.split(' ')[0])
    expect(told).toEqual(['RESULT_NOT_SERIALIZABLE', 'RESULT_NOT_SERIALIZABLE', 'OUTCOME_UNKNOWN'])
    expect(runs).toBe(2)
  })

  it('under fail it is not repeated: the effect has happened', async () => {
    const f = safe.idempotent(async () => ran(Symbol('s')), { name: 'f', key: () => 'k', onCrash: 'fail' })
    expect(await refusalOf(f())).toBe('RESULT_NOT_SERIALIZABLE result is a symbol')
    expect(await refusalOf(f())).toMatch(/^OUTCOME_UNKNOWN f: After 1 attempt/)
    expect([runs, events]).toEqual([1, ['executed 1 in vain', 'unknown']])
  })

  it('one that is too large reaches its caller, and no other', async () => {
    const small = tellingSafe(memoryStore(), { maxResultBytes: 1_000 })
    const f = small.safe.idempotent(async () => ran('x'.repeat(2_000)), { name: 'f', key: () => 'k' })
    expect(await f()).toHaveLength(2_000)
    expect(await refusalOf(f())).toMatch(
      /^RESULT_NOT_KEPT f: The call succeeded; its answer was larger than maxResultBytes/,
    )
    expect(runs).toBe(1)
    await small.safe.close()
  })
})

describe('what functions in the options do wrong: nothing begins', () => {
  it.each<[string, object]>([
    ['KEY_MISSING f: the key function gave none', { key: () => undefined }],
    ['KEY_INVALID f: the key function gave an empty key', { key: () => '' }],
    ['KEY_INVALID f: the key function gave 256 characters > 255', { key: () => 'k'.repeat(256) }],
    ['CALLBACK_FAILED The key function gave no text.', { key: () => 5 }],
    ['CALLBACK_FAILED The key function gave no text.', { key: () => 'a\ud800' }],
    ['CALLBACK_FAILED The key function failed.', { key: () => Promise.reject(new Error('k')) }],
    ['TENANT_MISSING f: the tenant function gave none', { tenant: () => '' }],
    ['TENANT_MISSING f: the tenant function gave none', { tenant: () => null }],
    ['CALLBACK_FAILED The tenant function failed.', { tenant: () => JSON.parse('{') }],
    ['CALLBACK_FAILED The fingerprint function failed.', { fingerprint: () => JSON.parse('{') }],
    [
      'CONFIG_INVALID f: fingerprint is a symbol, and cannot be compared; say what counts of the arguments: idempotent(fn, { fingerprint: (...args) => … })',
      { fingerprint: () => Symbol('s') },
    ],
    ['CALLBACK_FAILED The signal function failed.', { signal: () => JSON.parse('{') }],
  ])('%s', async (told, options) => {
    const f = safe.idempotent(async () => ++runs, { name: 'f', key: () => 'k', ...options })
    expect(await refusalOf(f())).toBe(told)
    expect([runs, (await store.list({ limit: 1 })).records]).toEqual([0, []])
  })

  it('what the function threw is the cause', async () => {
    const error = new Error('mine')
    const f = safe.idempotent(async () => ++runs, { name: 'f', key: () => Promise.reject(error) })
    await expect(f()).rejects.toMatchObject({ code: 'CALLBACK_FAILED', cause: error })
  })
})

describe('options', () => {
  it.each<[string, unknown]>([
    ['idempotent(fn, { name }): name is required, 1 to 100 characters', undefined],
    ['idempotent(fn, { name }): name is required, 1 to 100 characters', { key: () => 'k' }],
    ['idempotent(fn, { key }): key is required, a function of the arguments', { name: 'f', key: 'k' }],
    ['idempotent() does not know the option ttl', { name: 'f', key: () => 'k', ttl: 5 }],
    ['tenant takes a function of the arguments', { name: 'f', key: () => 'k', tenant: 'ann' }],
    ['waitMs takes a whole number from 0 to 3600000, not -1', { name: 'f', key: () => 'k', waitMs: -1 }],
    ['leaseMs takes a whole number from 1000 to 3600000, not 10', { name: 'f', key: () => 'k', leaseMs: 10 }],
  ])('%s', (message, options) => {
    expect(() => safe.idempotent(async () => 1, options as never)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message }),
    )
  })

  it('something else than a function is refused', () => {
    expect(() => safe.idempotent('f' as never, { name: 'f', key: () => 'k' } as never)).toThrow(
      'idempotent(fn, options) takes a function, not string',
    )
  })

  it('the policy of the function stands before that of createRetrysafe', async () => {
    const f = safe.idempotent(async () => 1, { name: 'f', key: () => 'k', retentionMs: 5_000, onCrash: 'fail' })
    await f()
    const record = await onlyRecord(store)
    expect(record.onCrash).toBe('fail')
    expect(record.expiresAtMs - (record.completedAtMs ?? 0)).toBe(5_000)
  })

  it('waitMs 0 refuses a running duplicate at once', async () => {
    const answer = gate()
    const f = safe.idempotent(async (_: string) => ran(answer.opened), { name: 'f', key: id => id, waitMs: 0 })
    const first = f('a')
    await eventually(() => runs).toBe(1)
    expect(await refusalOf(f('a'))).toBe('IN_FLIGHT f: The first run is still going; come again.')
    answer.open()
    await first
  })

  it('after close() it is refused', async () => {
    const f = safe.idempotent(async () => ++runs, { name: 'f', key: () => 'k' })
    await safe.close()
    expect(await refusalOf(f())).toMatch(/^DRAINING /)
    expect(runs).toBe(0)
  })
})

describe('signal', () => {
  const named = { name: 'f', key: (id: string) => id, signal: (_: string, signal?: AbortSignal) => signal }

  it('stops the waiting of its caller, not the run', async () => {
    const answer = gate()
    const f = safe.idempotent(async (_: string, __?: AbortSignal) => ran(answer.opened), named)
    const leaving = new AbortController()
    const first = f('a', leaving.signal)
    await eventually(() => runs).toBe(1)
    const joiner = f('a', leaving.signal)
    const reason = new Error('enough')
    leaving.abort(reason)
    await expect(first).rejects.toBe(reason)
    await expect(joiner).rejects.toBe(reason)
    answer.open()
    await eventually(() => events.includes('executed 1')).toBe(true)
    await f('a')
    expect(runs).toBe(1)
  })

  it('fired before the call: nothing begins', async () => {
    const f = safe.idempotent(async (_: string, __?: AbortSignal) => ++runs, named)
    await expect(f('a', AbortSignal.abort())).rejects.toThrow('aborted')
    expect([runs, (await store.list({ limit: 1 })).records]).toEqual([0, []])
  })

  it('fired while the store was asked: the key is free again', async () => {
    const leaving = new AbortController()
    const claim = store.claim
    store.claim = terms => {
      leaving.abort()
      return claim.call(store, terms)
    }
    const f = safe.idempotent(async (_: string, __?: AbortSignal) => ++runs, named)
    await expect(f('a', leaving.signal)).rejects.toThrow('aborted')
    await eventually(async () => (await store.list({ limit: 1 })).records).toEqual([])
    expect(runs).toBe(0)
    expect(await f('a')).toBe(1)
  })
})

describe('callContext', () => {
  it('is there in the function and in what it calls, and nowhere else', async () => {
    const seen: (IdempotencyContext | undefined)[] = []
    const deeper = async (): Promise<void> => {
      await nextTurn()
      seen.push(callContext())
    }
    const f = safe.idempotent((_: string) => deeper(), { name: 'f', key: id => id })
    await f('order-1')
    const [context] = seen
    expect(context).toMatchObject({ key: 'order-1', attempt: 1, replayable: true })
    expect(context?.signal.aborted).toBe(false)
    expect(callContext()).toBe(undefined)
  })

  it('derives keys: the same at every run, another for each name and key', async () => {
    const derived: (string | undefined)[] = []
    const f = safe.idempotent(
      async (_: string) => {
        derived.push(callContext()?.derive('charge'), callContext()?.derive('mail'))
        if (++runs === 1) throw new Error('again')
      },
      { name: 'f', key: id => id },
    )
    await expect(f('a')).rejects.toThrow('again')
    await f('a')
    await f('b')
    expect(derived[0]).toMatch(/^[\w-]{43}$/)
    expect(derived.slice(2, 4)).toEqual(derived.slice(0, 2))
    expect(new Set(derived).size).toBe(4)
  })
})
