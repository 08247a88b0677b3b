import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime, startWallMs } from '../../support/manual-time.ts'
import { acquire, acquireToken, claimTerms, day, keyOf, piece } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const k = keyOf('k')

describe('takeover', () => {
  it('comes only after lease and grace', async () => {
    const first = await acquireToken(store)
    time.jump(30_000)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running', leaseLeftMs: 0 })
    time.jump(1_999)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running' })
    time.jump(1)
    const second = await acquire(store, { owner: 'b' })
    expect(second).toMatchObject({ attempt: 2, sent: true })
    expect(second.token.fence).toBeGreaterThan(first.fence)
  })

  it('counts from the last renewal, and by its lease', async () => {
    const token = await acquireToken(store)
    time.jump(29_000)
    expect(await store.renew(k, token, { leaseMs: 10_000 })).toEqual({ kind: 'ok', cancelled: false, followed: false })
    time.jump(11_999)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running' })
    time.jump(1)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'acquired' })
  })

  it('comes after the grace alone once the lease was given up', async () => {
    const token = await acquireToken(store)
    await store.renew(k, token, { leaseMs: 0 })
    time.jump(1_999)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running' })
    time.jump(1)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'acquired', attempt: 2 })
  })

  it('does not come when only the wall clock jumps', async () => {
    await acquire(store)
    time.jumpWall(10 * day)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running', leaseLeftMs: 30_000 })
  })

  it('begins with an empty log', async () => {
    const first = await acquireToken(store)
    await store.append(k, first, piece(0, 'old'))
    time.jump(32_000)
    const second = await acquireToken(store, { owner: 'b' })
    expect(await store.read(k, second.fence, 0, 100)).toMatchObject({ kind: 'bytes', lengthBytes: 0, sealed: false })
    expect(await store.read(k, first.fence, 0, 100)).toEqual({ kind: 'ended', state: 'running', cooldownMs: 0 })
    expect(await store.append(k, second, piece(0, 'new'))).toMatchObject({ kind: 'ok', lengthBytes: 3 })
  })

  it('tells a zombie that it has lost, in every step', async () => {
    const zombie = await acquireToken(store)
    await store.append(k, zombie, piece(0, 'old'))
    time.jump(32_000)
    const token = await acquireToken(store, { owner: 'b' })
    await store.append(k, token, piece(0, 'new'))
    expect(await store.renew(k, zombie, { leaseMs: 30_000, sent: true })).toEqual({ kind: 'lost' })
    expect(await store.append(k, zombie, piece(3, 'more'))).toEqual({ kind: 'lost' })
    expect(await store.append(k, zombie, piece(0, 'old'))).toEqual({ kind: 'lost' })
    expect(await store.complete(k, zombie, piece(0, 'zombie'))).toBe('lost')
    expect(await store.release(k, zombie, { end: 'failed', cooldownMs: 0 })).toBe('lost')
    expect(await store.release(k, zombie, { end: 'free', cooldownMs: 0 })).toBe('lost')
    expect(await store.stepStart(k, zombie, step)).toEqual({ kind: 'lost' })
    expect(await store.stepPut(k, zombie, { id: 's', value: new Uint8Array(1) })).toEqual({ kind: 'lost' })
    expect(await store.get(k)).toMatchObject({ state: 'running', fence: token.fence, lengthBytes: 3, steps: 0 })
  })

  it('tells a zombie that it has lost after the successor completed, was released or freed the key', async () => {
    for (const end of ['complete', 'failed', 'free', 'cancelled'] as const) {
      const key = keyOf(end)
      const zombie = await acquireToken(store, { key })
      time.jump(32_000)
      const token = await acquireToken(store, { key, owner: 'b' })
      if (end === 'complete') await store.complete(key, token, piece(0, 'new'))
      else await store.release(key, token, { end, cooldownMs: 0 })
      expect(await store.complete(key, zombie, piece(0, 'zombie'))).toBe('lost')
      expect(await store.release(key, zombie, { end: 'free', cooldownMs: 0 })).toBe('lost')
      expect(await store.renew(key, zombie, { leaseMs: 30_000 })).toEqual({ kind: 'lost' })
    }
    expect((await store.get(keyOf('complete')))?.state).toBe('completed')
    expect((await store.get(keyOf('failed')))?.state).toBe('open')
    // Any deletion after a takeover leaves a tombstone.
    expect((await store.get(keyOf('free')))?.state).toBe('purged')
    expect((await store.get(keyOf('cancelled')))?.state).toBe('purged')
  })

  it('knows an owner from another with the same fence, and a fence from another of the same owner', async () => {
    const token = await acquireToken(store)
    expect(await store.complete(k, { ...token, owner: 'b' }, piece(0, 'x'))).toBe('lost')
    expect(await store.complete(k, { ...token, fence: token.fence + 1 }, piece(0, 'x'))).toBe('lost')
    expect(await store.complete(k, token, piece(0, 'x'))).toBe('ok')
  })

  it('lets a lapsed owner complete whom nobody took over', async () => {
    const token = await acquireToken(store)
    time.jump(500_000)
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ kind: 'ok' })
    time.jump(500_000)
    expect(await store.append(k, token, piece(0, 'x'))).toMatchObject({ kind: 'ok' })
    expect(await store.complete(k, token, piece(1, 'y'))).toBe('ok')
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'completed' })
  })

  it('raises the fence even when the wall clock was set back, and after a deletion', async () => {
    const first = await acquireToken(store)
    time.jumpWall(-day)
    await store.release(k, first, { end: 'free', cooldownMs: 0 })
    const second = await acquireToken(store, { owner: 'b' })
    expect(second.fence).toBeGreaterThan(first.fence)
    time.jump(32_000)
    const third = await acquireToken(store, { owner: 'c' })
    expect(third.fence).toBeGreaterThan(second.fence)
    await store.purge(k, third.fence, { force: true })
    const fourth = await acquireToken(store, { owner: 'd' })
    expect(fourth.fence).toBeGreaterThan(third.fence)
    expect(first.fence).toBe(startWallMs * 1_000)
  })
})

const step = { id: 's', input: 'i' as never, onCrash: 'rerun', maxAttempts: 3 } as const
