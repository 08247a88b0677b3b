import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime } from '../../support/manual-time.ts'
import { acquire, acquireToken, claimTerms, day, fingerprintOf, keyOf, piece } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const k = keyOf('k')

describe('expiry', () => {
  it('serves an outcome until the retention is over, and never after', async () => {
    const token = await acquireToken(store, { retentionMs: 1_000 })
    time.jump(500)
    await store.complete(k, token, piece(0, 'x'))
    time.jump(999)
    expect(await store.sweep(10)).toBe(0)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'completed' })
    time.jump(1)
    expect(await store.get(k)).toBeUndefined()
    expect(await store.read(k, token.fence, 0, 10)).toEqual({ kind: 'ended', state: 'absent', cooldownMs: 0 })
    expect((await store.list({ limit: 10 })).records).toEqual([])
    expect(await acquire(store, { owner: 'b', raw: fingerprintOf('raw-2') })).toMatchObject({ attempt: 1 })
    expect((await store.get(k))?.lengthBytes).toBe(0)
  })

  it('never lets a running record go under a live lease, whatever the wall clock does', async () => {
    const token = await acquireToken(store, { retentionMs: 1_000 })
    time.jumpWall(10 * day)
    expect(await store.sweep(10)).toBe(0)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running' })
    expect((await store.get(k))?.state).toBe('running')
    expect(await store.complete(k, token, piece(0, 'x'))).toBe('ok')
  })

  it('moves the end of a running record with each renewal', async () => {
    const token = await acquireToken(store, { retentionMs: 1_000 })
    for (let beat = 0; beat < 10; beat++) {
      time.jump(20_000)
      await store.renew(k, token, { leaseMs: 30_000 })
      expect(await store.sweep(10)).toBe(0)
    }
    time.jump(31_999)
    expect((await store.get(k))?.state).toBe('running')
    time.jump(1)
    expect(await store.get(k)).toBeUndefined()
  })

  it('lets a lapsed record go only a retention after its lease', async () => {
    await acquire(store, { retentionMs: 10_000 })
    time.jump(39_999)
    expect(await store.sweep(10)).toBe(0)
    time.jump(1)
    expect(await store.sweep(10)).toBe(1)
  })

  it('removes a record that a completion brought forward', async () => {
    const token = await acquireToken(store, { leaseMs: 3_600_000, retentionMs: 1_000 })
    await store.complete(k, token, piece(0, 'x'))
    time.jump(1_000)
    expect(await store.sweep(10)).toBe(1)
    expect(await store.sweep(10)).toBe(0)
  })

  it('serves no step of an expired record', async () => {
    const token = await acquireToken(store, { retentionMs: 1_000 })
    await store.stepStart(k, token, { id: 's', input: fingerprintOf('i'), onCrash: 'rerun', maxAttempts: 3 })
    await store.stepPut(k, token, { id: 's', value: new Uint8Array([1]) })
    await store.complete(k, token, piece(0, 'x'))
    time.jump(999)
    expect((await store.stepGet(k, 's')).kind).toBe('exists')
    time.jump(1)
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'absent' })
  })

  it('begins a step anew in a record that began anew', async () => {
    const step = { id: 's', input: fingerprintOf('i'), onCrash: 'rerun', maxAttempts: 3 } as const
    const token = await acquireToken(store, { retentionMs: 1_000 })
    await store.stepStart(k, token, step)
    await store.stepPut(k, token, { id: 's', value: new Uint8Array([1]) })
    await store.complete(k, token, piece(0, 'x'))
    time.jump(1_000)
    const next = await acquireToken(store, { owner: 'b' })
    expect(await store.stepStart(k, next, { ...step, input: fingerprintOf('j') })).toEqual({
      kind: 'begun',
      attempt: 1,
    })
  })

  it('keeps its clock', async () => {
    expect(await store.now()).toBe(1_704_067_200_000)
    time.jump(5)
    expect(await store.now()).toBe(1_704_067_200_005)
  })
})

describe('sweep', () => {
  async function complete(count: number, retentionMs: number, prefix: string): Promise<void> {
    for (let at = 0; at < count; at++) {
      const key = keyOf(`${prefix}${at}`)
      await store.complete(key, await acquireToken(store, { key, retentionMs }), piece(0, 'x'))
    }
  }

  it('removes at most its limit, and only what has expired', async () => {
    await complete(25, 1_000, 'old')
    await complete(5, 5_000, 'young')
    expect(await store.sweep(100)).toBe(0)
    time.jump(1_000)
    expect(await store.sweep(10)).toBe(10)
    expect(await store.sweep(10)).toBe(10)
    expect(await store.sweep(10)).toBe(5)
    expect(await store.sweep(10)).toBe(0)
    expect((await store.list({ limit: 100 })).records).toHaveLength(5)
    time.jump(4_000)
    expect(await store.sweep(100)).toBe(5)
  })

  it('comes back to a running record once its lease is over', async () => {
    await acquire(store, { retentionMs: 1_000 })
    time.jumpWall(60_000)
    expect(await store.sweep(10)).toBe(0)
    time.jump(31_999)
    expect(await store.sweep(10)).toBe(0)
    time.jump(1_001)
    expect(await store.sweep(10)).toBe(1)
  })

  it('is not held up by the names of records that were freed long ago', async () => {
    // What a client that gets a 400 again and again leaves behind.
    for (let at = 0; at < 50; at++) {
      const token = await acquireToken(store, { owner: `owner-${at}`, retentionMs: 1_000 })
      await store.release(k, token, { end: 'free', cooldownMs: 0 })
    }
    await complete(1, 40_000, 'old')
    time.jump(100_000)
    expect(await store.sweep(10)).toBe(1)
  })
})
