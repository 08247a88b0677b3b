import { beforeEach, describe, expect, it } from 'vitest'
import { RetrysafeError } from '../../../src/engine/errors.ts'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime } from '../../support/manual-time.ts'
import { acquire, acquireToken, claimTerms, fingerprintOf, keyOf, piece } from '../../support/store-terms.ts'

let time: ManualTime
beforeEach(() => {
  time = new ManualTime()
})

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
  } catch (error) {
    return error instanceof RetrysafeError ? error.code : String(error)
  }
  return undefined
}

describe('bounded by entries', () => {
  it('refuses the claim past the bound, says which, and drops nothing', async () => {
    const store = memoryStore({ clock: time.clock, maxEntries: 2 })
    const first = await acquireToken(store, { key: keyOf('1') })
    await acquireToken(store, { key: keyOf('2') })
    await expect(store.claim(claimTerms({ key: keyOf('3') }))).rejects.toThrow(/2 records.*maxEntries/)
    expect(await codeOf(store.claim(claimTerms({ key: keyOf('3') })))).toBe('STORE_FULL')
    expect(await store.claim(claimTerms({ key: keyOf('2'), owner: 'b' }))).toMatchObject({ kind: 'running' })
    expect(await store.complete(keyOf('1'), first, piece(0, 'x'))).toBe('ok')
    expect(await store.claim(claimTerms({ key: keyOf('1'), owner: 'b' }))).toMatchObject({ kind: 'completed' })
    expect(await codeOf(store.claim(claimTerms({ key: keyOf('3') })))).toBe('STORE_FULL')
  })

  it('has room again after a release, a purge, a sweep and an expiry', async () => {
    const store = memoryStore({ clock: time.clock, maxEntries: 1 })
    const freed = await acquireToken(store, { key: keyOf('1') })
    await store.release(keyOf('1'), freed, { end: 'free', cooldownMs: 0 })
    const purged = await acquireToken(store, { key: keyOf('2'), retentionMs: 1_000 })
    await store.complete(keyOf('2'), purged, piece(0, 'x'))
    await store.purge(keyOf('2'), purged.fence, { force: false })
    const swept = await acquireToken(store, { key: keyOf('3'), retentionMs: 1_000 })
    await store.complete(keyOf('3'), swept, piece(0, 'x'))
    time.jump(1_000)
    expect(await store.sweep(1)).toBe(1)
    const expired = await acquireToken(store, { key: keyOf('4'), retentionMs: 1_000 })
    await store.complete(keyOf('4'), expired, piece(0, 'x'))
    time.jump(1_000)
    expect(await acquire(store, { key: keyOf('5') })).toMatchObject({ attempt: 1 })
  })

  it('takes a claim on a record that is there, also when it is full', async () => {
    const store = memoryStore({ clock: time.clock, maxEntries: 1 })
    await acquire(store)
    time.jump(32_000)
    expect(await acquire(store, { owner: 'b' })).toMatchObject({ attempt: 2 })
  })

  it('finds expired records behind the names of many that were freed', async () => {
    const store = memoryStore({ clock: time.clock, maxEntries: 1 })
    for (let at = 0; at < 5_000; at++) {
      const token = await acquireToken(store, { owner: `owner-${at}`, retentionMs: 1_000 })
      await store.release(keyOf('k'), token, { end: 'free', cooldownMs: 0 })
    }
    const token = await acquireToken(store, { key: keyOf('old'), retentionMs: 40_000 })
    await store.complete(keyOf('old'), token, piece(0, 'x'))
    time.jump(100_000)
    expect(await codeOf(store.claim(claimTerms({ key: keyOf('new') })))).toBeUndefined()
  })
})

describe('bounded by bytes', () => {
  const maxBytes = 100_000

  it('refuses claims past the bound, while outcomes of claims already made still land', async () => {
    const store = memoryStore({ clock: time.clock, maxBytes })
    const first = await acquireToken(store, { key: keyOf('1') })
    const second = await acquireToken(store, { key: keyOf('2') })
    await store.complete(keyOf('1'), first, piece(0, 'x'.repeat(maxBytes)))
    await expect(store.claim(claimTerms({ key: keyOf('3') }))).rejects.toThrow(/bytes.*maxBytes/)
    expect(await store.append(keyOf('2'), second, piece(0, 'y'.repeat(500)))).toMatchObject({ kind: 'ok' })
    expect(await store.complete(keyOf('2'), second, piece(500, 'z'))).toBe('ok')
    expect(await store.claim(claimTerms({ key: keyOf('1'), owner: 'b' }))).toMatchObject({ kind: 'completed' })
    expect(await store.claim(claimTerms({ key: keyOf('2'), owner: 'b' }))).toMatchObject({ kind: 'completed' })
  })

  /** How many more records fit: exact accounting shows in it to the byte. */
  async function roomOf(store: Store): Promise<number> {
    const tokens = []
    try {
      for (let at = 0; ; at++) {
        const key = keyOf(`probe-${at}`)
        tokens.push({ key, token: await acquireToken(store, { key }) })
      }
    } catch {
      for (const { key, token } of tokens) await store.release(key, token, { end: 'free', cooldownMs: 0 })
    }
    return tokens.length
  }

  it('comes back to exactly what it was, whatever happened in between', async () => {
    const room = async (): Promise<number> => roomOf(store)
    const store = memoryStore({ clock: time.clock, maxBytes: 10_240 })
    expect(await room()).toBe(10)
    const key = keyOf('busy')
    for (let round = 0; round < 200; round++) {
      const first = await acquireToken(store, { key, owner: `a${round}`, retentionMs: 1_000 })
      await store.append(key, first, piece(0, 'x'.repeat(700)))
      await store.append(key, first, piece(700, 'x'.repeat(100)))
      await store.append(key, first, piece(0, 'x'.repeat(100)))
      await store.append(key, first, piece(9_999, 'x'))
      await store.stepStart(key, first, { id: 's', input: fingerprintOf('i'), onCrash: 'rerun', maxAttempts: 3 })
      await store.stepPut(key, first, { id: 's', value: new Uint8Array(300) })
      await store.stepPut(key, first, { id: 's', value: new Uint8Array(200) })
      if (round % 4 === 0) await store.complete(key, first, piece(300, 'y'.repeat(50)))
      if (round % 4 === 1) await store.release(key, first, { end: 'broken', cooldownMs: 0 })
      if (round % 4 === 2) await store.purge(key, first.fence, { force: true })
      if (round % 4 === 3) {
        time.jump(32_000)
        const second = await acquireToken(store, { key, owner: `b${round}`, retentionMs: 1_000 })
        await store.append(key, second, piece(0, 'z'.repeat(600)))
        await store.complete(key, second, piece(600, ''))
      }
      time.jump(200_000_000)
      if (round % 3 === 0) await store.sweep(10)
    }
    await store.sweep(10)
    expect(await room()).toBe(10)
    // 9 records of 1,024 bytes and 1,024 bytes of outcome fill it to the byte.
    const edge = await acquireToken(store, { key: keyOf('edge') })
    await store.append(keyOf('edge'), edge, piece(0, 'x'.repeat(1_024)))
    expect(await room()).toBe(8)
    await store.append(keyOf('edge'), edge, piece(1_024, 'x'))
    expect(await room()).toBe(7)
    await store.complete(keyOf('edge'), edge, piece(1_024, ''))
    expect(await room()).toBe(8)
    await store.purge(keyOf('edge'), edge.fence, { force: false })
    expect(await room()).toBe(10)
  })

  it('counts the steps of an operation, also those without a value yet', async () => {
    const store = memoryStore({ clock: time.clock, maxBytes: 10_240 })
    const token = await acquireToken(store)
    for (let at = 0; at < 10_000; at++) {
      await store.stepStart(keyOf('k'), token, {
        id: `step-${at}`,
        input: fingerprintOf('i'),
        onCrash: 'rerun',
        maxAttempts: 3,
      })
    }
    expect(await codeOf(store.claim(claimTerms({ key: keyOf('k2') })))).toBe('STORE_FULL')
  })
})
