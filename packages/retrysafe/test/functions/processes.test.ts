import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import type { Store } from '../../src/engine/store.ts'
import type { Retrysafe } from '../../src/index.ts'
import { lmdbStore } from '../../src/stores/lmdb/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { all, gate, handleOf, refusalOf, tellingSafe } from './stage.ts'

/** Two handles on one store's data, as two processes have them. */
interface Pair {
  readonly handles: readonly [Store, Store]
  remove(): Promise<void>
}

const pairs: Readonly<Record<string, () => Pair>> = {
  memory() {
    const store = memoryStore()
    return { handles: [handleOf(store), handleOf(store)], remove: () => store.close() }
  },
  lmdb() {
    const path = mkdtempSync(join(tmpdir(), 'retrysafe-functions-'))
    const handles = [lmdbStore({ path }), lmdbStore({ path })] as const
    return { handles, remove: async () => rmSync(path, { recursive: true }) }
  },
}

describe.each(Object.keys(pairs))('two processes on one %s store', name => {
  let pair: Pair
  let a: Retrysafe
  let b: Retrysafe
  let events: string[]
  let runs: number
  beforeEach(() => {
    pair = pairs[name]?.() ?? expect.fail(name)
    a = tellingSafe(pair.handles[0]).safe
    ;({ safe: b, events } = tellingSafe(pair.handles[1]))
    runs = 0
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await Promise.all([a.close({ drainMs: 0 }), b.close({ drainMs: 0 })])
    await pair.remove()
  })

  const named = { name: 'f', key: (id: string) => id }
  const strange = { list: [undefined, -0, 5n, new Date(7)], map: new Map([[{ deep: 1 }, Buffer.from('é')]]) }

  it('a call there joins the run here, and a later one replays it', async () => {
    const answer = gate()
    const run = async (_: string): Promise<unknown> => {
      runs++
      await answer.opened
      return strange
    }
    const here = a.idempotent(run, named)
    const there = b.idempotent(run, named)
    const first = here('k')
    await eventually(() => runs).toBe(1)
    const subscribe = vi.spyOn(pair.handles[1], 'subscribe')
    const joiner = there('k')
    await eventually(() => subscribe.mock.calls.length).toBe(1)
    answer.open()
    expect(await first).toStrictEqual(strange)
    expect(await joiner).toStrictEqual(strange)
    expect(await there('k')).toStrictEqual(strange)
    expect([runs, events]).toEqual([1, ['joined', 'replayed']])
  })

  it('refuses another payload there, while it runs here', async () => {
    const answer = gate()
    const run = async (doc: { id: string; text: string }): Promise<string> => {
      runs++
      await answer.opened
      return doc.text
    }
    const options = { name: 'f', key: (doc: { id: string }) => doc.id }
    const first = a.idempotent(run, options)({ id: 'k', text: 'one' })
    await eventually(() => runs).toBe(1)
    expect(await refusalOf(b.idempotent(run, options)({ id: 'k', text: 'two' }))).toMatch(/^KEY_REUSED /)
    answer.open()
    expect(await first).toBe('one')
  })

  it('items are live there, too, and replayed', async () => {
    const gates = [gate(), gate()]
    async function* items(_: string): AsyncGenerator<unknown, string> {
      runs++
      yield strange
      await gates[0]?.opened
      yield 'x'.repeat(200_000)
      await gates[1]?.opened
      return 'end'
    }
    const first = await a.idempotent(items, named)('k')
    expect((await first.next()).value).toStrictEqual(strange)
    const joiner = await b.idempotent(items, named)('k')
    expect((await joiner.next()).value).toStrictEqual(strange)
    gates[0]?.open()
    expect((await joiner.next()).value).toHaveLength(200_000)
    gates[1]?.open()
    expect(await joiner.next()).toEqual({ done: true, value: 'end' })
    expect(await all(b.idempotent(items, named)('k'))).toStrictEqual([strange, 'x'.repeat(200_000)])
    expect([runs, events]).toEqual([1, ['joined', 'replayed']])
  })

  it('items whose source throws break off there', async () => {
    const failing = gate()
    async function* items(_: string): AsyncGenerator<number> {
      yield ++runs
      await failing.opened
      throw new Error('cut')
    }
    const first = await a.idempotent(items, named)('k')
    await first.next()
    const joiner = await b.idempotent(items, named)('k')
    expect(await joiner.next()).toEqual({ done: false, value: 1 })
    failing.open()
    await expect(first.next()).rejects.toThrow('cut')
    expect(await refusalOf(joiner.next())).toMatch(/^IN_FLIGHT /)
  })

  it('a throw here is not a throw there: it runs itself', async () => {
    const failing = gate()
    const run = async (_: string): Promise<number> => {
      if (++runs > 1) return runs
      await failing.opened
      throw new Error('first')
    }
    const first = a.idempotent(run, named)('k')
    await eventually(() => runs).toBe(1)
    const second = b.idempotent(run, named)('k')
    failing.open()
    await expect(first).rejects.toThrow('first')
    expect(await second).toBe(2)
    expect(events).toEqual(['executed 1'])
  })

  it('of 40 calls at once, 20 in each, one runs', async () => {
    const run = async (_: string): Promise<number> => ++runs
    const calls = [a, b].flatMap(safe => Array.from({ length: 20 }, () => safe.idempotent(run, named)('k')))
    expect(await Promise.all(calls)).toEqual(Array(40).fill(1))
  })
})
