import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime } from '../../support/manual-time.ts'
import { acquireToken, claimTerms, fingerprintOf, keyOf, piece } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const k = keyOf('k')
const step = { id: 's', input: fingerprintOf('i'), onCrash: 'rerun', maxAttempts: 2 } as const
const value = new Uint8Array([1, 2, 3])

describe('steps', () => {
  it('begins, keeps its value, and gives it to every later attempt', async () => {
    const token = await acquireToken(store)
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'absent' })
    expect(await store.stepStart(k, token, step)).toEqual({ kind: 'begun', attempt: 1 })
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'absent' })
    expect(await store.stepPut(k, token, { id: 's', value })).toEqual({ kind: 'ok' })
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'exists', value })
    expect(await store.stepStart(k, token, step)).toEqual({ kind: 'exists', value })
    time.jump(32_000)
    const next = await acquireToken(store, { owner: 'b' })
    expect(await store.stepStart(k, next, step)).toEqual({ kind: 'exists', value })
    expect((await store.get(k))?.steps).toBe(1)
  })

  it('has begun once, however often the same attempt says so', async () => {
    const token = await acquireToken(store)
    for (let times = 0; times < 5; times++) {
      expect(await store.stepStart(k, token, step)).toEqual({ kind: 'begun', attempt: 1 })
    }
    expect((await store.get(k))?.steps).toBe(1)
  })

  it('keeps the first value', async () => {
    const token = await acquireToken(store)
    await store.stepStart(k, token, step)
    await store.stepPut(k, token, { id: 's', value })
    expect(await store.stepPut(k, token, { id: 's', value: new Uint8Array([1, 2, 3]) })).toEqual({ kind: 'ok' })
    expect(await store.stepPut(k, token, { id: 's', value: new Uint8Array([9]) })).toEqual({ kind: 'exists', value })
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'exists', value })
  })

  it('keeps an empty value', async () => {
    const token = await acquireToken(store)
    await store.stepStart(k, token, step)
    await store.stepPut(k, token, { id: 's', value: new Uint8Array(0) })
    expect(await store.stepStart(k, token, step)).toEqual({ kind: 'exists', value: new Uint8Array(0) })
  })

  it('does not give its value to another input', async () => {
    const token = await acquireToken(store)
    await store.stepStart(k, token, step)
    await store.stepPut(k, token, { id: 's', value })
    expect(await store.stepStart(k, token, { ...step, input: fingerprintOf('j') })).toEqual({ kind: 'changed' })
    expect(await store.stepStart(k, token, { ...step, id: 's2', input: fingerprintOf('j') })).toMatchObject({
      kind: 'begun',
    })
  })

  it('counts the attempts of each step, and stops at its cap', async () => {
    const first = await acquireToken(store)
    await store.stepStart(k, first, step)
    time.jump(32_000)
    const second = await acquireToken(store, { owner: 'b' })
    expect(await store.stepStart(k, second, step)).toEqual({ kind: 'begun', attempt: 2 })
    expect(await store.stepStart(k, second, { ...step, id: 'fresh' })).toEqual({ kind: 'begun', attempt: 1 })
    time.jump(32_000)
    const third = await acquireToken(store, { owner: 'c' })
    expect(await store.stepStart(k, third, step)).toEqual({ kind: 'unknown', attempt: 2 })
    expect(await store.stepStart(k, third, { ...step, id: 'fresh' })).toEqual({ kind: 'begun', attempt: 2 })
  })

  it('is unknown under fail once an older attempt began it', async () => {
    const first = await acquireToken(store)
    await store.stepStart(k, first, { ...step, onCrash: 'fail' })
    expect(await store.stepStart(k, first, { ...step, onCrash: 'fail' })).toEqual({ kind: 'begun', attempt: 1 })
    time.jump(32_000)
    const second = await acquireToken(store, { owner: 'b' })
    expect(await store.stepStart(k, second, { ...step, onCrash: 'fail' })).toEqual({ kind: 'unknown', attempt: 1 })
  })

  it('survives a release, and takes a value only from whoever runs', async () => {
    const first = await acquireToken(store)
    await store.stepStart(k, first, step)
    await store.stepPut(k, first, { id: 's', value })
    await store.release(k, first, { end: 'broken', cooldownMs: 0 })
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'exists', value })
    expect(await store.stepStart(k, first, step)).toEqual({ kind: 'lost' })
    expect(await store.stepPut(k, first, { id: 's2', value })).toEqual({ kind: 'lost' })
    const second = await acquireToken(store, { owner: 'b' })
    expect(await store.stepStart(k, second, step)).toEqual({ kind: 'exists', value })
    expect(await store.stepPut(k, second, { id: 'never-begun', value })).toEqual({ kind: 'lost' })
  })

  it('goes with its record', async () => {
    const token = await acquireToken(store)
    await store.stepStart(k, token, step)
    await store.stepPut(k, token, { id: 's', value })
    await store.complete(k, token, piece(0, 'x'))
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'exists', value })
    await store.purge(k, token.fence, { force: false })
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'absent' })
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'acquired' })
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'absent' })
  })

  it('goes with a tombstone too', async () => {
    const token = await acquireToken(store)
    await store.stepStart(k, token, step)
    await store.stepPut(k, token, { id: 's', value })
    await store.purge(k, token.fence, { force: true })
    expect(await store.stepGet(k, 's')).toEqual({ kind: 'absent' })
  })
})
