import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime, settle } from '../../support/manual-time.ts'
import { acquireToken, fingerprintOf, keyOf, piece } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const k = keyOf('k')

/** What this store promises beyond the contract: one hint for each change, none without, follow marks at once. */
describe('subscribe, to the hint', () => {
  async function hints(act: () => Promise<unknown>): Promise<number> {
    let count = 0
    const subscription = store.subscribe(k, () => {
      count++
    })
    await act()
    await settle()
    subscription.close()
    return count
  }

  it('hints once after every change that a waiter could wait for', async () => {
    const token = await acquireToken(store)
    expect(await hints(() => store.append(k, token, piece(0, 'a')))).toBe(1)
    expect(await hints(() => store.renew(k, token, { leaseMs: 1, canonical: fingerprintOf('c') }))).toBe(1)
    expect(await hints(() => store.complete(k, token, piece(1, 'b')))).toBe(1)
    expect(await hints(() => store.purge(k, token.fence, { force: true }))).toBe(1)
    expect(await hints(() => acquireToken(store, { owner: 'b' }))).toBe(1)
    const next = (await store.get(k))?.fence ?? 0
    expect(await hints(() => store.release(k, { fence: next, owner: 'b' }, { end: 'failed', cooldownMs: 0 }))).toBe(1)
    time.jump(600_000)
    expect(await hints(() => store.sweep(10))).toBe(1)
  })

  it('gives no hint of another key, of a step without effect, or after close', async () => {
    const token = await acquireToken(store)
    expect(await hints(() => acquireToken(store, { key: keyOf('k2') }))).toBe(0)
    expect(await hints(() => store.append(k, { fence: 1, owner: 'x' }, piece(0, 'a')))).toBe(0)
    let count = 0
    const subscription = store.subscribe(k, () => {
      count++
    })
    subscription.close()
    subscription.close()
    await store.append(k, token, piece(0, 'a'))
    await settle()
    expect(count).toBe(0)
  })

  it('tells when somebody follows, and at once when nobody does any more', async () => {
    const token = await acquireToken(store)
    const subscription = store.subscribe(k, () => {})
    expect(await store.append(k, token, piece(0, 'a'))).toMatchObject({ followed: true })
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ followed: true })
    subscription.close()
    expect(await store.append(k, token, piece(1, 'b'))).toMatchObject({ followed: false })
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ followed: false })
  })

  it('keeps the mark while one of several followers is left', async () => {
    const token = await acquireToken(store)
    const hint = (): void => {}
    const first = store.subscribe(k, hint)
    const second = store.subscribe(k, hint)
    first.close()
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ followed: true })
    second.close()
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ followed: false })
  })
})
