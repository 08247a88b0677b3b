import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
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
const force = { force: true }
const gently = { force: false }

async function makeUnknown(): Promise<{ fence: number; owner: string }> {
  const token = await acquireToken(store, { onCrash: 'fail' })
  await store.append(k, token, piece(0, 'abc'))
  await store.release(k, token, { end: 'broken', cooldownMs: 0 })
  return token
}

describe('purge', () => {
  it('names the fence it saw', async () => {
    const token = await acquireToken(store)
    await store.complete(k, token, piece(0, 'x'))
    expect(await store.purge(k, token.fence + 1, force)).toBe('changed')
    expect(await store.purge(k, token.fence - 1, force)).toBe('changed')
    expect((await store.get(k))?.state).toBe('completed')
    expect(await store.purge(k, token.fence, gently)).toBe('ok')
    expect(await store.get(k)).toBeUndefined()
    expect(await store.purge(k, token.fence, gently)).toBe('absent')
    expect(await acquire(store, { owner: 'b', raw: fingerprintOf('raw-2') })).toMatchObject({ attempt: 1 })
  })

  it('removes a running record only with force, and leaves a tombstone that outlives late writes', async () => {
    const token = await acquireToken(store)
    await store.append(k, token, piece(0, 'abc'))
    expect(await store.purge(k, token.fence, gently)).toBe('running')
    expect(await store.purge(k, token.fence, force)).toBe('ok')
    expect(await store.get(k)).toMatchObject({ state: 'purged', lengthBytes: 0, expiresAtMs: startWallMs + day })
    expect(await store.complete(k, token, piece(0, 'late'))).toBe('lost')
    expect(await store.append(k, token, piece(3, 'late'))).toEqual({ kind: 'lost' })
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toEqual({ kind: 'lost' })
    expect(await store.read(k, token.fence, 0, 10)).toEqual({ kind: 'ended', state: 'purged', cooldownMs: 0 })
    expect(await store.purge(k, token.fence, force)).toBe('absent')
    expect((await store.get(k))?.state).toBe('purged')
  })

  it('leaves a tombstone of an unknown record, and deletes an open one', async () => {
    const token = await makeUnknown()
    expect(await store.purge(k, token.fence, gently)).toBe('ok')
    expect((await store.get(k))?.state).toBe('purged')
    expect(await store.complete(k, token, piece(0, 'late'))).toBe('lost')
    const key = keyOf('open')
    const open = await acquireToken(store, { key })
    await store.release(key, open, { end: 'failed', cooldownMs: 60_000 })
    expect(await store.purge(key, open.fence, gently)).toBe('ok')
    expect(await store.get(key)).toBeUndefined()
  })

  it('leaves a tombstone of whatever was taken over', async () => {
    await acquire(store)
    time.jump(32_000)
    const token = await acquireToken(store, { owner: 'b' })
    await store.complete(k, token, piece(0, 'x'))
    expect(await store.purge(k, token.fence, gently)).toBe('ok')
    expect((await store.get(k))?.state).toBe('purged')
  })

  it('lets a tombstone go to the next claim, with a higher fence and any payload', async () => {
    const token = await acquireToken(store)
    await store.purge(k, token.fence, force)
    const next = await acquire(store, { owner: 'b', raw: fingerprintOf('raw-2') })
    expect(next).toMatchObject({ attempt: 1, sent: true })
    expect(next.token.fence).toBeGreaterThan(token.fence)
    expect(await store.complete(k, token, piece(0, 'late'))).toBe('lost')
  })

  it('lets a tombstone expire after a day', async () => {
    const token = await acquireToken(store)
    await store.purge(k, token.fence, force)
    time.jump(day - 1)
    expect((await store.get(k))?.state).toBe('purged')
    expect(await store.sweep(10)).toBe(0)
    time.jump(1)
    expect(await store.get(k)).toBeUndefined()
    expect(await store.sweep(10)).toBe(1)
  })

  it('is absent where nothing is', async () => {
    expect(await store.purge(k, 1, force)).toBe('absent')
    expect(await store.resolve(k, 1)).toBe('absent')
    expect(await store.cancel(k, 1)).toBe('absent')
    const token = await acquireToken(store)
    await store.complete(k, token, piece(0, 'x'))
    time.jump(day)
    expect(await store.purge(k, token.fence, force)).toBe('absent')
  })
})

describe('resolve', () => {
  it('frees an unknown record, by the fence it saw', async () => {
    const token = await makeUnknown()
    expect(await store.resolve(k, token.fence + 1)).toBe('changed')
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'unknown' })
    expect(await store.resolve(k, token.fence)).toBe('ok')
    expect((await store.get(k))?.state).toBe('purged')
    expect((await store.unknown({ limit: 10 })).records).toEqual([])
    expect(await store.resolve(k, token.fence)).toBe('absent')
    expect(await store.complete(k, token, piece(0, 'late'))).toBe('lost')
    expect(await acquire(store, { owner: 'b' })).toMatchObject({ attempt: 1 })
  })

  it('refuses every other state', async () => {
    const token = await acquireToken(store)
    expect(await store.resolve(k, token.fence)).toBe('running')
    await store.complete(k, token, piece(0, 'x'))
    expect(await store.resolve(k, token.fence)).toBe('refused')
    const open = await acquireToken(store, { key: keyOf('open') })
    await store.release(keyOf('open'), open, { end: 'failed', cooldownMs: 0 })
    expect(await store.resolve(keyOf('open'), open.fence)).toBe('refused')
  })
})

describe('cancel', () => {
  it('tells the owner at its next renewal, again and again, and changes nothing else', async () => {
    const token = await acquireToken(store)
    expect(await store.cancel(k, token.fence - 1)).toBe('changed')
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ cancelled: false })
    expect(await store.cancel(k, token.fence)).toBe('ok')
    expect(await store.cancel(k, token.fence)).toBe('ok')
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ kind: 'ok', cancelled: true })
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ kind: 'ok', cancelled: true })
    expect(await store.complete(k, token, piece(0, 'x'))).toBe('ok')
  })

  it('is not inherited by the next attempt', async () => {
    const token = await acquireToken(store)
    await store.cancel(k, token.fence)
    time.jump(32_000)
    const next = await acquireToken(store, { owner: 'b' })
    expect(await store.renew(k, next, { leaseMs: 30_000 })).toMatchObject({ cancelled: false })
  })

  it('refuses what does not run', async () => {
    const token = await acquireToken(store)
    await store.complete(k, token, piece(0, 'x'))
    expect(await store.cancel(k, token.fence)).toBe('refused')
  })
})
