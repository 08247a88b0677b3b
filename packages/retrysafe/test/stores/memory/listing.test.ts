import { beforeEach, describe, expect, it } from 'vitest'
import type { RecordPage, Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime, settle, startWallMs } from '../../support/manual-time.ts'
import { acquireToken, day, fingerprintOf, keyOf, piece } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const k = keyOf('k')

async function pages(read: (cursor: string | undefined) => Promise<RecordPage>): Promise<string[][]> {
  const found: string[][] = []
  for (let cursor: string | undefined; ; ) {
    const page = await read(cursor)
    found.push(page.records.map(record => record.id))
    if (page.cursor === undefined) return found
    cursor = page.cursor
  }
}

async function fill(): Promise<void> {
  for (let at = 0; at < 10; at++) {
    const key = keyOf(`k${at}`)
    const token = await acquireToken(store, { key, onCrash: 'fail' })
    if (at % 3 === 0) await store.complete(key, token, piece(0, 'x'))
    if (at % 3 === 1) await store.release(key, token, { end: 'broken', cooldownMs: 0 })
  }
}

describe('list', () => {
  it('shows what an operator may see', async () => {
    const label = { key: 'order-42', operation: 'default', tenant: 'tenant00', method: 'POST', path: '/v1' }
    const token = await acquireToken(store, { label })
    time.jump(10_000)
    const view = {
      id: 'k',
      state: 'running',
      fence: token.fence,
      attempt: 1,
      maxAttempts: 3,
      onCrash: 'rerun',
      sent: true,
      label,
      claimedAtMs: startWallMs,
      leaseLeftMs: 20_000,
      expiresAtMs: startWallMs + 30_000 + day,
      lengthBytes: 0,
      steps: 0,
    }
    expect(await store.get(k)).toEqual(view)
    expect((await store.list({ limit: 10 })).records).toEqual([view])
    time.jump(21_000)
    expect(await store.get(k)).toEqual({ ...view, leaseLeftMs: -1_000 })
    await store.complete(k, token, piece(0, 'abc'))
    const { leaseLeftMs: _, ...done } = view
    expect(await store.get(k)).toEqual({
      ...done,
      state: 'completed',
      completedAtMs: startWallMs + 31_000,
      expiresAtMs: startWallMs + 31_000 + day,
      lengthBytes: 3,
    })
  })

  it.each([1, 2, 3, 7, 100])('pages by %i without gaps or repeats', async limit => {
    await fill()
    const all = await pages(cursor => store.list({ limit, ...(cursor !== undefined && { cursor }) }))
    expect(all.flat().sort()).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9'])
    for (const page of all) expect(page.length).toBeLessThanOrEqual(limit)
    const done = await pages(cursor =>
      store.list({ state: 'completed', limit, ...(cursor !== undefined && { cursor }) }),
    )
    expect(done.flat().sort()).toEqual(['k0', 'k3', 'k6', 'k9'])
  })

  it('goes on after a page whose records are gone, and shows new ones at most once', async () => {
    await fill()
    const first = await store.list({ limit: 4 })
    for (const record of first.records) await store.purge(record.id, record.fence, { force: true })
    await acquireToken(store, { key: keyOf('new') })
    const rest = await pages(cursor => store.list({ limit: 4, cursor: cursor ?? first.cursor ?? '' }))
    const seen = [...first.records.map(record => record.id), ...rest.flat()]
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(expect.arrayContaining(['k4', 'k5', 'k6', 'k7', 'k8', 'k9']))
  })

  it('has the unknown ones in a list of their own', async () => {
    await fill()
    const unknown = await pages(cursor => store.unknown({ limit: 2, ...(cursor !== undefined && { cursor }) }))
    expect(unknown.flat().sort()).toEqual(['k1', 'k4', 'k7'])
    time.jump(day)
    expect((await store.unknown({ limit: 10 })).records).toEqual([])
  })
})

describe('subscribe', () => {
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

  it('hints after every change that a waiter could wait for', async () => {
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

  it('lets a listener call the store at once', async () => {
    const token = await acquireToken(store)
    const seen: string[] = []
    store.subscribe(k, () => void store.get(k).then(view => seen.push(String(view?.state))))
    await store.complete(k, token, piece(0, 'x'))
    await settle()
    expect(seen).toEqual(['completed'])
  })
})
