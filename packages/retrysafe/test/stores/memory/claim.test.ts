import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime, startWallMs } from '../../support/manual-time.ts'
import {
  acquire,
  acquireToken,
  claimTerms,
  day,
  fingerprintOf,
  keyOf,
  piece,
  textOf,
} from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const other = { owner: 'b' }

describe('claim', () => {
  it('is acquired on an absent key, sent under rerun and not under fail', async () => {
    expect(await acquire(store)).toEqual({
      kind: 'acquired',
      token: { fence: startWallMs * 1_000, owner: 'a' },
      attempt: 1,
      sent: true,
      onCrash: 'rerun',
    })
    expect(await acquire(store, { key: keyOf('k2'), onCrash: 'fail' })).toMatchObject({ attempt: 1, sent: false })
  })

  it('gives the same attempt to the same owner again', async () => {
    const first = await acquire(store)
    time.jump(10_000)
    expect(await store.claim(claimTerms())).toEqual(first)
    expect(await store.get(keyOf('k'))).toMatchObject({ attempt: 1, leaseLeftMs: 20_000 })
  })

  it('is running for everybody else under a live lease', async () => {
    const { token } = await acquire(store)
    await store.append(keyOf('k'), token, piece(0, 'abc'))
    time.jump(10_000)
    expect(await store.claim(claimTerms(other))).toEqual({
      kind: 'running',
      fence: token.fence,
      leaseLeftMs: 20_000,
      lengthBytes: 3,
    })
  })

  it('is completed after complete, with the log, its age and its end', async () => {
    const token = await acquireToken(store)
    time.jump(5_000)
    await store.complete(keyOf('k'), token, piece(0, 'answer'))
    time.jump(7_000)
    const answer = await store.claim(claimTerms(other))
    expect(answer).toMatchObject({
      kind: 'completed',
      fence: token.fence,
      ageMs: 7_000,
      expiresAtMs: startWallMs + 5_000 + day,
      log: { lengthBytes: 6 },
    })
    expect(answer.kind === 'completed' && textOf(answer.log.bytes)).toBe('answer')
  })

  it('carries a log of 64 KiB, of a larger one only the length', async () => {
    const token = await acquireToken(store)
    await store.append(keyOf('k'), token, piece(0, 'x'.repeat(40_000)))
    await store.complete(keyOf('k'), token, piece(40_000, 'y'.repeat(25_536)))
    const whole = await store.claim(claimTerms(other))
    expect(whole.kind === 'completed' && whole.log.bytes?.byteLength).toBe(65_536)
    const large = await acquireToken(store, { key: keyOf('large') })
    await store.complete(keyOf('large'), large, piece(0, 'x'.repeat(65_537)))
    expect(await store.claim(claimTerms({ ...other, key: keyOf('large') }))).toMatchObject({
      kind: 'completed',
      log: { lengthBytes: 65_537 },
    })
    const answer = await store.claim(claimTerms({ ...other, key: keyOf('large') }))
    expect(answer.kind === 'completed' && answer.log.bytes).toBeUndefined()
  })

  it('answers many in order, the same key twice too', async () => {
    const done = await acquireToken(store, { key: keyOf('done') })
    await store.complete(keyOf('done'), done, piece(0, 'x'))
    const answers = await store.claimMany([
      claimTerms({ key: keyOf('new') }),
      claimTerms({ key: keyOf('done'), owner: 'b' }),
      claimTerms({ key: keyOf('new'), owner: 'b' }),
      claimTerms({ key: keyOf('done'), raw: fingerprintOf('raw-2'), owner: 'b' }),
    ])
    expect(answers.map(answer => answer.kind)).toEqual(['acquired', 'completed', 'running', 'mismatch'])
  })

  it('gives exactly one of many concurrent claims the key', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => store.claim(claimTerms({ owner: `owner-${at}` }))),
    )
    expect(answers.filter(answer => answer.kind === 'acquired')).toHaveLength(1)
    expect(answers.filter(answer => answer.kind === 'running')).toHaveLength(49)
  })
})

describe('the fingerprint comes before everything else', () => {
  const strange = { owner: 'b', raw: fingerprintOf('raw-2') }
  const strangeCanonical = { ...strange, canonical: fingerprintOf('canonical-2') }
  const spelled = { ...strange, canonical: fingerprintOf('canonical-1') }

  it('is undecided in running while one side is missing, then decided', async () => {
    const { token } = await acquire(store)
    expect(await store.claim(claimTerms(strange))).toEqual({ kind: 'undecided', fence: token.fence })
    expect(await store.claim(claimTerms(spelled))).toEqual({ kind: 'undecided', fence: token.fence })
    await store.renew(keyOf('k'), token, { leaseMs: 30_000, canonical: fingerprintOf('canonical-1') })
    expect(await store.claim(claimTerms(strange))).toEqual({ kind: 'undecided', fence: token.fence })
    expect(await store.claim(claimTerms(spelled))).toMatchObject({ kind: 'running' })
    expect(await store.claim(claimTerms(strangeCanonical))).toEqual({ kind: 'mismatch' })
  })

  it('matches by raw alone, whatever the canonical forms say', async () => {
    await acquire(store, { canonical: fingerprintOf('canonical-1') })
    const again = claimTerms({ owner: 'b', canonical: fingerprintOf('canonical-of-a-newer-version') })
    expect(await store.claim(again)).toMatchObject({ kind: 'running' })
  })

  it('keeps the first canonical form', async () => {
    const token = await acquireToken(store, { canonical: fingerprintOf('canonical-1') })
    await store.renew(keyOf('k'), token, { leaseMs: 30_000, canonical: fingerprintOf('canonical-2') })
    expect(await store.claim(claimTerms(strangeCanonical))).toEqual({ kind: 'mismatch' })
  })

  it.each(['append', 'complete', 'release'] as const)('takes the canonical form that came with %s', async step => {
    const token = await acquireToken(store)
    if (step === 'append') await store.append(keyOf('k'), token, piece(0, 'x', 'canonical-1'))
    else if (step === 'complete') await store.complete(keyOf('k'), token, piece(0, 'x', 'canonical-1'))
    else {
      const canonical = fingerprintOf('canonical-1')
      await store.release(keyOf('k'), token, { end: 'broken', cooldownMs: 0, canonical })
    }
    expect(await store.claim(claimTerms(strange))).toMatchObject({ kind: 'undecided' })
    expect(await store.claim(claimTerms(strangeCanonical))).toEqual({ kind: 'mismatch' })
    const kind = { append: 'running', complete: 'completed', release: 'acquired' }[step]
    expect(await store.claim(claimTerms(spelled))).toMatchObject({ kind })
  })

  it('is a mismatch in a lapsed row without a canonical form', async () => {
    await acquire(store)
    time.jump(31_999)
    expect(await store.claim(claimTerms(strange))).toMatchObject({ kind: 'undecided' })
    time.jump(1)
    expect(await store.claim(claimTerms(strange))).toEqual({ kind: 'mismatch' })
    expect(await store.claim(claimTerms(spelled))).toEqual({ kind: 'mismatch' })
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'acquired', attempt: 2 })
  })

  it('is a mismatch in completed, unknown and a counted open row without a canonical form', async () => {
    const completed = await acquireToken(store, { key: keyOf('completed') })
    await store.complete(keyOf('completed'), completed, piece(0, 'secret'))
    const unknown = await acquireToken(store, { key: keyOf('unknown'), onCrash: 'fail' })
    await store.release(keyOf('unknown'), unknown, { end: 'broken', cooldownMs: 0 })
    const open = await acquireToken(store, { key: keyOf('open') })
    await store.release(keyOf('open'), open, { end: 'broken', cooldownMs: 0 })
    for (const name of ['completed', 'unknown', 'open']) {
      expect(await store.claim(claimTerms({ ...strangeCanonical, key: keyOf(name) }))).toEqual({ kind: 'mismatch' })
    }
  })

  it('beats the answer of a lapsed lease and of a used-up record', async () => {
    await acquire(store, { canonical: fingerprintOf('canonical-1'), maxAttempts: 1 })
    time.jump(40_000)
    expect(await store.claim(claimTerms(strangeCanonical))).toEqual({ kind: 'mismatch' })
    expect((await store.get(keyOf('k')))?.state).toBe('running')
  })

  it('is free again in an uncounted open row, but for its cooldown', async () => {
    const first = await acquireToken(store)
    await store.release(keyOf('k'), first, { end: 'failed', cooldownMs: 500 })
    expect(await store.claim(claimTerms(strange))).toEqual({ kind: 'cooling', leftMs: 500, fence: first.fence })
    time.jump(500)
    expect(await store.claim(claimTerms(strange))).toMatchObject({ kind: 'acquired', attempt: 1 })
    expect(await store.claim(claimTerms({ owner: 'c' }))).toMatchObject({ kind: 'undecided' })
  })

  it('makes cooling answer every matching claim of a counted open row', async () => {
    const first = await acquireToken(store)
    await store.release(keyOf('k'), first, { end: 'broken', cooldownMs: 500 })
    expect(await store.claim(claimTerms({ owner: 'b' }))).toEqual({ kind: 'cooling', leftMs: 500, fence: first.fence })
    time.jump(499)
    expect(await store.claim(claimTerms({ owner: 'c' }))).toEqual({ kind: 'cooling', leftMs: 1, fence: first.fence })
    time.jump(1)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'acquired', attempt: 2 })
  })
})

describe('a claim that arrives again, late', () => {
  it.each(['failed', 'broken'] as const)('does not run again after a release as %s', async end => {
    const token = await acquireToken(store)
    await store.release(keyOf('k'), token, { end, cooldownMs: 0 })
    time.jump(60_000)
    expect(await store.claim(claimTerms())).toMatchObject({ kind: 'cooling', fence: token.fence })
    expect((await store.get(keyOf('k')))?.state).toBe('open')
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'acquired' })
  })

  it('does not run again after complete', async () => {
    const token = await acquireToken(store)
    await store.complete(keyOf('k'), token, piece(0, 'x'))
    expect(await store.claim(claimTerms())).toMatchObject({ kind: 'completed' })
  })

  it('does not run again after a release that left a tombstone', async () => {
    const token = await acquireToken(store)
    await store.release(keyOf('k'), token, { end: 'cancelled', cooldownMs: 0 })
    expect((await store.claim(claimTerms())).kind).not.toBe('acquired')
    expect((await store.get(keyOf('k')))?.state).toBe('purged')
  })

  it('does not run again after an operator purged the run', async () => {
    const token = await acquireToken(store)
    await store.purge(keyOf('k'), token.fence, { force: true })
    expect((await store.claim(claimTerms())).kind).not.toBe('acquired')
  })

  it('does not run again after somebody else has taken over', async () => {
    await acquire(store)
    time.jump(32_000)
    await acquire(store, other)
    expect(await store.claim(claimTerms())).toMatchObject({ kind: 'running' })
  })
})
