import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import type { RecordLabel, StoreKey, Token } from 'retrysafe/internal/engine/record'
import type { ClaimTerms, LogPiece, Store } from 'retrysafe/internal/engine/store'
import type { Fingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import type { KeyedCall } from 'retrysafe/internal/server/keyed-call'
import { memoryStore } from 'retrysafe/stores/memory'
import { beforeEach, describe, expect, test } from 'vitest'
import { ManualTime } from '../../../retrysafe/test/support/manual-time.ts'
import { StoreWatch } from '../../src/proxy/store-watch.ts'

let time: ManualTime
let inner: Store
/** `silent`: every step is made, and its answer is lost. */
let line: 'sound' | 'cut' | 'silent'
beforeEach(() => {
  time = new ManualTime()
  inner = memoryStore({ clock: time.clock })
  line = 'sound'
})

/** The store as it is seen over a line that may fail. */
function farStore(): Store {
  return new Proxy(inner, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]) => {
        if (line === 'cut') throw new RetrysafeError('STORE_UNAVAILABLE', 'the line is cut')
        const answer: unknown = await Reflect.apply(member, target, args)
        if (line === 'silent') throw new RetrysafeError('STORE_UNAVAILABLE', 'the answer is lost')
        return answer
      }
    },
  })
}

function watchStore(policy: 'closed' | 'open' = 'open'): StoreWatch {
  return new StoreWatch(farStore(), { policy, surroundings: time.process().surroundings, log: () => {} })
}

const keyOf = (name: string): StoreKey => name as StoreKey

/** A claim as one call makes it, on key `k` by owner `a`: the label is its own. */
function claimOf(change: Partial<ClaimTerms> = {}): ClaimTerms {
  return {
    key: keyOf('k'),
    raw: 'raw-1' as Fingerprint,
    owner: 'a',
    leaseMs: 30_000,
    retentionMs: 86_400_000,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'default', tenant: 'tenant00' },
    ...change,
  }
}

async function acquireToken(store: Store, change: Partial<ClaimTerms> = {}): Promise<Token> {
  const answer = await store.claim(claimOf(change))
  if (answer.kind !== 'acquired') throw new Error(`the claim was not acquired but ${answer.kind}`)
  return answer.token
}

const whole: LogPiece = { offsetBytes: 0, bytes: Buffer.from('answer') }

/** As much of a call as counts here. */
function callOf({ label, key }: { label: RecordLabel; key: ClaimTerms['key'] }): KeyedCall {
  return { label, key } as KeyedCall
}

/** The claim twice, as the engine makes it; it must get no answer. */
async function claimInVain(watch: StoreWatch, terms: ClaimTerms): Promise<void> {
  for (let at = 0; at < 2; at++) {
    await expect(watch.store.claim(terms)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  }
}

describe('under open a call whose store is out of reach', () => {
  test('may be passed through when none of its claims was answered', async () => {
    const watch = watchStore()
    const terms = claimOf()
    line = 'cut'
    await claimInVain(watch, terms)
    expect(watch.failed(callOf(terms))).toBe(true)
  })

  test('may not when the store has told it of a run; the next call of the key may', async () => {
    await acquireToken(inner, { owner: 'somebody' })
    const watch = watchStore()
    const terms = claimOf()
    expect(await watch.store.claim(terms)).toMatchObject({ kind: 'running' })
    line = 'cut'
    await claimInVain(watch, terms)
    expect(watch.failed(callOf(terms))).toBe(false)
    const next = claimOf()
    await claimInVain(watch, next)
    expect(watch.failed(callOf(next))).toBe(true)
  })

  test.each(['rerun', 'fail'] as const)('may not while a run of this process has the key (%s)', async onCrash => {
    const watch = watchStore()
    const first = claimOf({ onCrash })
    const answer = await watch.store.claim(first)
    if (answer.kind !== 'acquired') throw new Error(answer.kind)
    line = 'cut'
    const retry = claimOf()
    await claimInVain(watch, retry)
    expect([watch.isRunning(keyOf('k')), watch.failed(callOf(retry))]).toEqual([true, false])
    // The outcome is there, and the store does not have it.
    await expect(watch.store.complete(first.key, answer.token, whole)).rejects.toThrow()
    expect(watch.isRunning(keyOf('k'))).toBe(true)
    line = 'sound'
    expect(await watch.store.complete(first.key, answer.token, whole)).toBe('ok')
    expect(watch.isRunning(keyOf('k'))).toBe(false)
  })

  test.each([
    ['free', false],
    ['failed', false],
    ['broken', true],
    ['cancelled', true],
  ] as const)(
    'after an end `%s` that did not reach the store: the run still has its key: %s',
    async (end, isRunning) => {
      const watch = watchStore()
      const token = await acquireToken(watch.store)
      line = 'cut'
      await expect(watch.store.release(keyOf('k'), token, { end, cooldownMs: 0 })).rejects.toThrow()
      expect(watch.isRunning(keyOf('k'))).toBe(isRunning)
      line = 'sound'
      await watch.store.release(keyOf('k'), token, { end, cooldownMs: 0 })
      expect(watch.isRunning(keyOf('k'))).toBe(false)
    },
  )

  test.each(['renew', 'append'] as const)('a run that %s says is lost has its key no more', async step => {
    const watch = watchStore()
    const token = await acquireToken(watch.store)
    const { fence } = token
    await inner.purge(keyOf('k'), fence, { force: true })
    if (step === 'renew') await watch.store.renew(keyOf('k'), token, { leaseMs: 30_000 })
    else await watch.store.append(keyOf('k'), token, whole)
    expect(watch.isRunning(keyOf('k'))).toBe(false)
  })

  test('an older run of this process does not end the key of the one that took over from it', async () => {
    const watch = watchStore()
    const older = await acquireToken(watch.store, { owner: 'older' })
    time.jump(32_000)
    await acquireToken(watch.store, { owner: 'newer' })
    expect(await watch.store.complete(keyOf('k'), older, whole)).toBe('lost')
    expect(watch.isRunning(keyOf('k'))).toBe(true)
  })

  test('is not claimed at all once that is certain', async () => {
    const watch = watchStore()
    expect(watch.isBypassed).toBe(false)
    line = 'cut'
    await claimInVain(watch, claimOf())
    await time.advance(0)
    expect(watch.isBypassed).toBe(true)
    expect(watch.unreadyReason).toBeUndefined()
    line = 'sound'
    await time.advance(1_500)
    expect(watch.isBypassed).toBe(false)
  })
})

test('under closed nothing is passed through, and this process is not ready', async () => {
  const watch = watchStore('closed')
  const terms = claimOf()
  line = 'cut'
  await claimInVain(watch, terms)
  await time.advance(0)
  expect([watch.failed(callOf(terms)), watch.isBypassed]).toEqual([false, false])
  expect(watch.unreadyReason).toBe('the store is out of reach')
  line = 'sound'
  await time.advance(1_500)
  expect(watch.unreadyReason).toBeUndefined()
})

test('an outage is noticed without any request, by the sweep', async () => {
  const watch = watchStore('closed')
  line = 'cut'
  await expect(watch.store.sweep(1_000)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await time.advance(0)
  expect(watch.outage.isCertain).toBe(true)
})

test('tries leave nothing in the store, also those whose answers were lost', async () => {
  const watch = watchStore()
  line = 'silent'
  await expect(watch.store.sweep(1_000)).rejects.toThrow()
  await time.advance(5_000)
  line = 'sound'
  await time.advance(5_000)
  for (;;) if ((await inner.sweep(1_000)) === 0) break
  expect((await inner.list({ limit: 10 })).records).toEqual([])
})

describe.each(['closed', 'open'] as const)('a claim that was made without an answer, under %s', policy => {
  test('is given back when the store is back: the next call need not wait for its lease', async () => {
    const watch = watchStore(policy)
    const terms = claimOf()
    line = 'silent'
    await claimInVain(watch, terms)
    watch.failed(callOf(terms))
    line = 'cut'
    await time.advance(1_500)
    expect(await inner.claim(claimOf({ owner: 'next' }))).toMatchObject({ kind: 'running' })
    line = 'sound'
    await time.advance(1_500)
    expect(await inner.get(keyOf('k'))).toBeUndefined()
    expect(await watch.store.claim(claimOf({ owner: 'next' }))).toMatchObject({ kind: 'acquired', attempt: 1 })
  })

  test('is left to whoever has the key meanwhile', async () => {
    const watch = watchStore(policy)
    const terms = claimOf()
    line = 'cut'
    await claimInVain(watch, terms)
    watch.failed(callOf(terms))
    const token = await acquireToken(inner, { owner: 'somebody' })
    line = 'sound'
    await time.advance(3_000)
    expect(await inner.get(keyOf('k'))).toMatchObject({ state: 'running', fence: token.fence, attempt: 1 })
  })

  test.each([
    ['that was counted stays so', 'open', 0],
    ['whose lease has lapsed is nobody’s but a new run’s', 'running', 32_000],
  ])('is not made to be given back: an attempt %s', async (_, state, passedMs) => {
    const token = await acquireToken(inner, { owner: 'before' })
    if (state === 'open') await inner.release(keyOf('k'), token, { end: 'broken', cooldownMs: 0 })
    await time.advance(passedMs)
    const watch = watchStore(policy)
    const terms = claimOf()
    line = 'cut'
    await claimInVain(watch, terms)
    watch.failed(callOf(terms))
    line = 'sound'
    await time.advance(3_000)
    expect(await inner.get(keyOf('k'))).toMatchObject({ state, attempt: 1 })
  })

  test('is left to its lease when more than 1,000 wait to be given back', async () => {
    const watch = watchStore(policy)
    line = 'silent'
    for (let at = 0; at < 1_002; at++) {
      const terms = claimOf({ key: keyOf(`k${at}`), owner: `owner${at}` })
      await expect(watch.store.claim(terms)).rejects.toThrow()
      watch.failed(callOf(terms))
    }
    line = 'sound'
    await time.advance(3_000)
    const { records } = await inner.list({ limit: 1_000, state: 'running' })
    expect(records.map(record => record.id).sort()).toEqual(['k1000', 'k1001'])
  })
})
