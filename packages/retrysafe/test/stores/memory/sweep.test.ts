import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime, startWallMs } from '../../support/manual-time.ts'
import { acquire, acquireToken, day, keyOf, piece } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const k = keyOf('k')

/** What this store promises beyond the contract: a sweep finds a record the moment it has expired. */
describe('sweep, to the millisecond', () => {
  async function complete(count: number, retentionMs: number, prefix: string): Promise<void> {
    for (let at = 0; at < count; at++) {
      const key = keyOf(`${prefix}${at}`)
      await store.complete(key, await acquireToken(store, { key, retentionMs }), piece(0, 'x'))
    }
  }

  it('removes an outcome at its end, not before', async () => {
    await store.complete(k, await acquireToken(store, { retentionMs: 1_000 }), piece(0, 'x'))
    time.jump(999)
    expect(await store.sweep(10)).toBe(0)
    time.jump(1)
    expect(await store.sweep(10)).toBe(1)
    expect(await store.sweep(10)).toBe(0)
  })

  it('removes a lapsed record a retention after its lease', async () => {
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

  it('removes a tombstone after a day', async () => {
    const token = await acquireToken(store)
    await store.purge(k, token.fence, { force: true })
    time.jump(day - 1)
    expect(await store.sweep(10)).toBe(0)
    time.jump(1)
    expect(await store.sweep(10)).toBe(1)
  })

  it('removes at most its limit, and as many as that', async () => {
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

  it('leaves a running record that beats, and comes back to it within a second of its end', async () => {
    const token = await acquireToken(store, { retentionMs: 1_000 })
    for (let beat = 0; beat < 10; beat++) {
      time.jump(20_000)
      await store.renew(k, token, { leaseMs: 30_000 })
      expect(await store.sweep(10)).toBe(0)
    }
    time.jumpWall(60_000)
    expect(await store.sweep(10)).toBe(0)
    time.jump(31_999)
    expect(await store.sweep(10)).toBe(0)
    time.jump(1_001)
    expect(await store.sweep(10)).toBe(1)
  })

  it('is not held up by the names of records that were freed long ago', async () => {
    for (let at = 0; at < 50; at++) {
      const token = await acquireToken(store, { owner: `owner-${at}`, retentionMs: 1_000 })
      await store.release(k, token, { end: 'free', cooldownMs: 0 })
    }
    await complete(1, 40_000, 'old')
    time.jump(100_000)
    expect(await store.sweep(10)).toBe(1)
  })
})

describe('the clock', () => {
  it("is the one it was given, also in the first fence, and in those after the wall clock's return", async () => {
    expect(await store.now()).toBe(1_704_067_200_000)
    expect((await acquireToken(store)).fence).toBe(startWallMs * 1_000)
    time.jump(5)
    expect(await store.now()).toBe(1_704_067_200_005)
    time.jumpWall(-day)
    expect((await acquireToken(store, { key: keyOf('k2') })).fence).toBe(startWallMs * 1_000 + 1)
  })
})
