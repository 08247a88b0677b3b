import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime } from '../../support/manual-time.ts'
import { keyOf } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const none = { kind: 'none' }
const offerOf = (name: string, count = 0, fence = 1) => ({ key: keyOf(name), fence, count, ttlMs: 120_000 })

describe('offer and take', () => {
  it('gives an offer once, to a count one higher', async () => {
    await store.offer('pair', offerOf('k'))
    expect(await store.take('pair', { count: 0, owner: 'x' })).toEqual(none)
    expect(await store.take('pair', { count: 2, owner: 'x' })).toEqual(none)
    expect(await store.take('other', { count: 1, owner: 'x' })).toEqual(none)
    expect(await store.take('pair', { count: 1, owner: 'x' })).toEqual({ kind: 'taken', key: 'k', fence: 1 })
    expect(await store.take('pair', { count: 1, owner: 'y' })).toEqual(none)
  })

  it('gives the same taker the same again, and no second one', async () => {
    await store.offer('pair', offerOf('k1'))
    await store.offer('pair', offerOf('k2'))
    const taken = await store.take('pair', { count: 1, owner: 'x' })
    expect(await store.take('pair', { count: 1, owner: 'x' })).toEqual(taken)
    expect(await store.take('pair', { count: 1, owner: 'x' })).toEqual(taken)
    expect(await store.take('pair', { count: 1, owner: 'y' })).not.toEqual(taken)
  })

  it('gives the newest first', async () => {
    await store.offer('pair', offerOf('k1'))
    await store.offer('pair', offerOf('k2'))
    await store.offer('pair', offerOf('k3', 5))
    expect(await store.take('pair', { count: 1, owner: 'x' })).toMatchObject({ key: 'k2' })
    expect(await store.take('pair', { count: 1, owner: 'y' })).toMatchObject({ key: 'k1' })
    expect(await store.take('pair', { count: 6, owner: 'z' })).toMatchObject({ key: 'k3' })
  })

  it('lets an offer go when its time is over', async () => {
    await store.offer('pair', offerOf('k'))
    time.jump(119_999)
    expect(await store.take('pair', { count: 1, owner: 'x' })).toMatchObject({ kind: 'taken' })
    await store.offer('pair2', offerOf('k'))
    time.jump(120_000)
    expect(await store.take('pair2', { count: 1, owner: 'x' })).toEqual(none)
  })

  it('is one offer when it was sent twice', async () => {
    await store.offer('pair', offerOf('k'))
    await store.offer('pair', offerOf('k'))
    expect(await store.take('pair', { count: 1, owner: 'x' })).toMatchObject({ kind: 'taken' })
    expect(await store.take('pair', { count: 1, owner: 'y' })).toEqual(none)
  })

  it('is one offer also when it arrives again after it was taken', async () => {
    await store.offer('pair', offerOf('k'))
    expect(await store.take('pair', { count: 1, owner: 'x' })).toMatchObject({ kind: 'taken' })
    await store.offer('pair', offerOf('k'))
    expect(await store.take('pair', { count: 1, owner: 'y' })).toEqual(none)
  })

  it('can be offered anew by its taker under its own count', async () => {
    await store.offer('pair', offerOf('k', 0))
    await store.take('pair', { count: 1, owner: 'x' })
    await store.offer('pair', offerOf('k', 1))
    expect(await store.take('pair', { count: 1, owner: 'y' })).toEqual(none)
    expect(await store.take('pair', { count: 2, owner: 'y' })).toEqual({ kind: 'taken', key: 'k', fence: 1 })
  })
})

describe('count', () => {
  it('adds, once for a sequence', async () => {
    expect(await store.count('b', { runs: 2, tokens: 0.5 }, { source: 'p', number: 1 })).toBe('ok')
    expect(await store.count('b', { runs: 2 }, { source: 'p', number: 1 })).toBe('dup')
    expect(await store.count('b', { runs: 3 }, { source: 'p', number: 2 })).toBe('ok')
    expect(await store.count('b', { runs: 100 }, { source: 'p', number: 1 })).toBe('dup')
    expect(await store.count('b', { runs: 10 }, { source: 'q', number: 1 })).toBe('ok')
    expect(await store.counters('b')).toEqual({ runs: 15, tokens: 0.5 })
    expect(await store.counters('c')).toEqual({})
  })

  it('begins with 0, and keeps buckets apart', async () => {
    expect(await store.count('b', { runs: 1 }, { source: 'p', number: 0 })).toBe('ok')
    expect(await store.count('c', { runs: 1 }, { source: 'p', number: 0 })).toBe('ok')
    expect(await store.count('b', { runs: 1 }, { source: 'p', number: 0 })).toBe('dup')
    expect(await store.counters('b')).toEqual({ runs: 1 })
  })

  it('is bounded, and loses no sum', async () => {
    for (let at = 0; at < 5_000; at++) await store.count('b', { [`name-${at}`]: 1 }, { source: 'p', number: at })
    const counters = await store.counters('b')
    expect(Object.keys(counters).length).toBeLessThanOrEqual(4_097)
    expect(Object.values(counters).reduce((sum, value) => sum + value, 0)).toBe(5_000)
  })

  it('still knows a busy source after many others came and went', async () => {
    await store.count('b', { runs: 1 }, { source: 'busy', number: 1 })
    for (let at = 0; at < 5_000; at++) {
      await store.count('b', { runs: 1 }, { source: `other-${at}`, number: 1 })
      await store.count('b', { runs: 1 }, { source: 'busy', number: at + 2 })
    }
    expect(await store.count('b', { runs: 1 }, { source: 'busy', number: 5_001 })).toBe('dup')
  })
})

describe('metaInit', () => {
  it('keeps the first value for everybody', async () => {
    expect(await store.metaInit('secret', new Uint8Array([1]))).toEqual(new Uint8Array([1]))
    expect(await store.metaInit('secret', new Uint8Array([2]))).toEqual(new Uint8Array([1]))
    expect(await store.metaInit('check', new Uint8Array([3]))).toEqual(new Uint8Array([3]))
  })
})
