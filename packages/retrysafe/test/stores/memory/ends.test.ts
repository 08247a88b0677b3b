import { beforeEach, describe, expect, it } from 'vitest'
import type { AttemptEnd } from '../../../src/engine/record.ts'
import type { ClaimTerms, Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime, startWallMs } from '../../support/manual-time.ts'
import { acquire, acquireToken, claimTerms, day, fingerprintOf, keyOf, piece } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const k = keyOf('k')

async function endOf(end: AttemptEnd, change: Partial<ClaimTerms> = {}, cooldownMs = 0): Promise<string | undefined> {
  const token = await acquireToken(store, change)
  expect(await store.release(k, token, { end, cooldownMs })).toBe('ok')
  return (await store.get(k))?.state
}

describe('the table of ends', () => {
  it('deletes what was never dispatched or was refused, under both policies', async () => {
    expect(await endOf('free')).toBeUndefined()
    expect(await endOf('free', { onCrash: 'fail' })).toBeUndefined()
    expect(await acquire(store, { owner: 'b', raw: fingerprintOf('raw-2') })).toMatchObject({ attempt: 1 })
  })

  it.each(['rerun', 'fail'] as const)('opens a failed run under %s, after its cooldown, not counted', async onCrash => {
    expect(await endOf('failed', { onCrash, maxAttempts: 1 }, 400)).toBe('open')
    expect(await store.get(k)).toMatchObject({ attempt: 0, expiresAtMs: startWallMs + 600_000 })
    time.jump(400)
    // Not counted: with a cap of one it may run again, for ever.
    for (const owner of ['b', 'c', 'd']) {
      const { token, attempt } = await acquire(store, { owner, onCrash, maxAttempts: 1 })
      expect(attempt).toBe(1)
      await store.release(k, token, { end: 'failed', cooldownMs: 0 })
    }
  })

  it('opens a broken run under rerun, counted', async () => {
    expect(await endOf('broken', {}, 400)).toBe('open')
    expect(await store.get(k)).toMatchObject({ attempt: 1, expiresAtMs: startWallMs + day, lengthBytes: 0 })
    time.jump(400)
    expect(await acquire(store, { owner: 'b' })).toMatchObject({ attempt: 2 })
  })

  it('makes a broken run unknown under fail', async () => {
    expect(await endOf('broken', { onCrash: 'fail' })).toBe('unknown')
    expect(await store.claim(claimTerms({ owner: 'b' }))).toEqual({ kind: 'unknown', attempt: 1 })
    expect(await store.claim(claimTerms({ owner: 'b', onCrash: 'rerun' }))).toEqual({ kind: 'unknown', attempt: 1 })
  })

  it('does not count a failed run after a broken one, and keeps the fingerprint', async () => {
    await endOf('broken')
    const second = await acquireToken(store, { owner: 'b' })
    await store.release(k, second, { end: 'failed', cooldownMs: 0 })
    expect(await store.get(k)).toMatchObject({ state: 'open', attempt: 1, expiresAtMs: startWallMs + day })
    expect(await store.claim(claimTerms({ owner: 'c', raw: fingerprintOf('raw-2') }))).toEqual({ kind: 'mismatch' })
    expect(await acquire(store, { owner: 'c' })).toMatchObject({ attempt: 2 })
  })

  it('takes a lapsed run over under rerun, counted, up to the cap', async () => {
    for (const [owner, attempt] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ] as const) {
      expect(await acquire(store, { owner })).toMatchObject({ attempt })
      time.jump(32_000)
    }
    expect(await store.claim(claimTerms({ owner: 'd' }))).toEqual({ kind: 'unknown', attempt: 3 })
    expect(await store.claim(claimTerms({ owner: 'e' }))).toEqual({ kind: 'unknown', attempt: 3 })
    expect((await store.get(k))?.expiresAtMs).toBe(startWallMs + 96_000 + day)
  })

  it('counts broken and lapsed runs together', async () => {
    await endOf('broken', { maxAttempts: 2 })
    expect(await acquire(store, { owner: 'b' })).toMatchObject({ attempt: 2 })
    time.jump(32_000)
    expect(await store.claim(claimTerms({ owner: 'c' }))).toEqual({ kind: 'unknown', attempt: 2 })
  })

  it('makes an open record unknown once its attempts are used up, after the cooldown', async () => {
    await endOf('broken', { maxAttempts: 1 }, 400)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'cooling', leftMs: 400 })
    time.jump(400)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toEqual({ kind: 'unknown', attempt: 1 })
    expect((await store.get(k))?.state).toBe('unknown')
  })

  it("goes by the record's cap and policy, not by the claim's", async () => {
    await endOf('broken', { maxAttempts: 1 })
    expect(await store.claim(claimTerms({ owner: 'b', maxAttempts: 100 }))).toEqual({ kind: 'unknown', attempt: 1 })
  })

  it('makes a lapsed run unknown under fail once it was sent, else takes it over', async () => {
    const first = await acquireToken(store, { onCrash: 'fail' })
    time.jump(32_000)
    const second = await acquire(store, { owner: 'b', onCrash: 'fail' })
    expect(second).toMatchObject({ attempt: 2, sent: false })
    expect(await store.renew(k, first, { leaseMs: 30_000, sent: true })).toEqual({ kind: 'lost' })
    await store.renew(k, second.token, { leaseMs: 30_000, sent: true })
    time.jump(32_000)
    expect(await store.claim(claimTerms({ owner: 'c', onCrash: 'fail' }))).toEqual({ kind: 'unknown', attempt: 2 })
  })

  it('keeps what a mark said through later renewals', async () => {
    const token = await acquireToken(store, { onCrash: 'fail' })
    await store.renew(k, token, { leaseMs: 30_000, sent: true })
    await store.renew(k, token, { leaseMs: 30_000 })
    expect((await store.get(k))?.sent).toBe(true)
  })

  it('leaves a tombstone when a run is cancelled under rerun, unknown when it was sent under fail', async () => {
    expect(await endOf('cancelled')).toBe('purged')
    expect((await store.get(k))?.expiresAtMs).toBe(startWallMs + day)
    expect(await acquire(store, { owner: 'b', raw: fingerprintOf('raw-2') })).toMatchObject({ attempt: 1 })
    const key = keyOf('k2')
    const token = await acquireToken(store, { key, onCrash: 'fail' })
    await store.renew(key, token, { leaseMs: 30_000, sent: true })
    await store.release(key, token, { end: 'cancelled', cooldownMs: 0 })
    expect((await store.get(key))?.state).toBe('unknown')
  })

  it('answers a repeated release as the first, and changes nothing', async () => {
    const token = await acquireToken(store)
    expect(await store.release(k, token, { end: 'failed', cooldownMs: 400 })).toBe('ok')
    const view = await store.get(k)
    time.jump(300)
    expect(await store.release(k, token, { end: 'failed', cooldownMs: 400 })).toBe('ok')
    expect(await store.release(k, token, { end: 'broken', cooldownMs: 9_000 })).toBe('ok')
    expect(await store.get(k)).toEqual(view)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'cooling', leftMs: 100 })
    const free = await acquireToken(store, { key: keyOf('free') })
    expect(await store.release(keyOf('free'), free, { end: 'free', cooldownMs: 0 })).toBe('ok')
    expect(await store.release(keyOf('free'), free, { end: 'free', cooldownMs: 0 })).toBe('ok')
  })

  it('does not release what was completed', async () => {
    const token = await acquireToken(store)
    await store.complete(k, token, piece(0, 'x'))
    expect(await store.release(k, token, { end: 'free', cooldownMs: 0 })).toBe('lost')
    expect((await store.get(k))?.state).toBe('completed')
  })

  it('does not complete what was released', async () => {
    for (const end of ['failed', 'broken', 'free', 'cancelled'] as const) {
      const key = keyOf(end)
      const token = await acquireToken(store, { key })
      await store.release(key, token, { end, cooldownMs: 0 })
      expect(await store.complete(key, token, piece(0, 'late'))).toBe('lost')
    }
  })

  it('rests for the whole cooldown, also when that is longer than an open record lives', async () => {
    await endOf('failed', {}, 900_000)
    time.jump(899_999)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'cooling', leftMs: 1 })
  })

  it('rests for the whole cooldown, also when that is longer than the retention', async () => {
    await endOf('broken', { retentionMs: 1_000 }, 60_000)
    time.jump(59_999)
    expect(await store.claim(claimTerms({ owner: 'b', retentionMs: 1_000 }))).toMatchObject({ kind: 'cooling' })
  })
})

describe('with steps', () => {
  const step = { id: 's', input: fingerprintOf('i'), onCrash: 'fail', maxAttempts: 2 } as const

  it.each([
    ['free', 0],
    ['failed', 0],
    ['broken', 1],
    ['cancelled', 1],
  ] as const)('opens after %s under both policies, counted %i', async (end, attempt) => {
    for (const onCrash of ['rerun', 'fail'] as const) {
      const key = keyOf(onCrash)
      const token = await acquireToken(store, { key, onCrash })
      await store.stepStart(key, token, step)
      await store.release(key, token, { end, cooldownMs: 0 })
      expect(await store.get(key)).toMatchObject({ state: 'open', attempt, steps: 1, expiresAtMs: startWallMs + day })
      const strange = claimTerms({ key, owner: 'b', raw: fingerprintOf('raw-2') })
      expect(await store.claim(strange)).toEqual({ kind: 'mismatch' })
    }
  })

  it('is always taken over, past the cap of attempts and when it was sent', async () => {
    const first = await acquireToken(store, { onCrash: 'fail', maxAttempts: 1 })
    await store.renew(k, first, { leaseMs: 30_000, sent: true })
    await store.stepStart(k, first, step)
    for (const [owner, attempt] of [
      ['b', 2],
      ['c', 3],
      ['d', 4],
    ] as const) {
      time.jump(32_000)
      expect(await acquire(store, { owner, onCrash: 'fail', maxAttempts: 1 })).toMatchObject({ attempt })
    }
  })
})
