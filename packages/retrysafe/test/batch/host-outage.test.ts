import { setMaxListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { Host, VirtualTime } from '../../../../test/simulation/virtual-time.ts'
import { ItemReader } from '../../src/batch/batch-item.ts'
import { openGate } from '../../src/batch/gate/gate.ts'
import { ItemTries } from '../../src/batch/item-tries.ts'
import { type BatchOptions, readBatchRules } from '../../src/batch/options.ts'
import type { Attempt } from '../../src/engine/attempt.ts'
import { seededRandom } from '../support/manual-time.ts'
import { AnswerError, networkError, openStage } from './batch-stage.ts'

/** What the host makes of one send of an item: an error, or nothing against it. */
type HostAt = (atMs: number, item: number, sent: number) => Error | undefined

interface Told {
  readonly done: number
  readonly failed: readonly number[]
  /** Items of which the batch gave up hope. */
  readonly left: number
  readonly sends: number
  readonly endMs: number
}

/** Runs so many items in virtual time, each answered after 20 ms: their tries and the gate are real, the store is not. */
async function run(items: number, host: HostAt, options: Partial<BatchOptions<number, number>> = {}): Promise<Told> {
  const time = new VirtualTime()
  const { clock, timers } = new Host(time, 'runner')
  const surroundings = { clock, timers, random: seededRandom(7) }
  const sent = new Map<number, number>()
  let sends = 0
  const send = async (item: number): Promise<number> => {
    sends++
    const count = (sent.get(item) ?? 0) + 1
    sent.set(item, count)
    await new Promise<void>(resolve => timers.after(20, resolve))
    const error = host(time.nowMs, item, count)
    if (error !== undefined) throw error
    return item
  }
  const rules = { ...readBatchRules({ batchId: 'b', safe: openStage().safe, send, ...options }), surroundings }
  const gate = openGate({ ...rules, firstAnswerMs: 30_000 }, surroundings)
  const stop = new AbortController().signal
  setMaxListeners(0, stop)
  const reader = new ItemReader<number>(rules, true)
  const attempt = { mayTryAgain: async () => true, isCancelled: false } as Attempt
  const told = { done: 0, failed: [] as number[], left: 0, endMs: 0 }
  let next = 0
  const work = async (): Promise<void> => {
    while (next < items) {
      const item = next++
      const tries = new ItemTries({ rules, gate, stop, tell: () => {} }, reader.read(item, item))
      try {
        if (!(await tries.enter())) throw undefined
        await tries.run(attempt, stop)
        tries.giveBack()
        told.done++
      } catch {
        if (tries.whyNot().kind === 'stalled') told.left++
        else told.failed.push(item)
      }
      told.endMs = time.nowMs
    }
  }
  for (let place = 0; place < 2 * rules.concurrency + 16; place++) void work()
  await time.runUntil(3_600_000)
  told.failed.sort((one, other) => one - other)
  return { ...told, sends }
}

const failing = (): Error => new AnswerError(500)

describe('a host that fails for everybody', () => {
  test.each([1, 4, 16, 100])('for a minute burns no retries, %i at once', async concurrency => {
    const host: HostAt = atMs => (atMs > 100 && atMs < 60_000 ? failing() : undefined)
    const told = await run(2_000, host, { concurrency })
    expect(told).toMatchObject({ done: 2_000, failed: [] })
    // And is left in peace meanwhile.
    expect(told.sends - 2_000).toBeLessThan(2 * concurrency + 40)
  })

  test('with 502, too: what may have been paid is sent once more, and few are tried meanwhile', async () => {
    const told = await run(2_000, atMs => (atMs < 10_000 ? new AnswerError(502) : undefined))
    // Every second probe is one that was sent before.
    expect(told.failed.length).toBeLessThanOrEqual(4)
    expect(told.done).toBe(2_000 - told.failed.length)
  })

  test('with 502, where keys are honoured, burns nothing', async () => {
    const host: HostAt = atMs => (atMs < 10_000 ? networkError('ECONNRESET') : undefined)
    expect(await run(2_000, host, { honoursKeys: true })).toMatchObject({ done: 2_000, failed: [] })
  })

  test('again and again, and is well for a moment in between, burns nothing', async () => {
    const told = await run(1_000, atMs => (atMs % 10_000 > 1_000 ? failing() : undefined))
    expect(told).toMatchObject({ done: 1_000, failed: [] })
  })

  test('for longer than is borne ends the batch, and no item has failed', async () => {
    const told = await run(1_000, failing, { giveUpMs: 60_000 })
    expect(told).toMatchObject({ done: 0, failed: [], left: 1_000, endMs: 60_040 })
    // Those of the first moment, and one in some seconds.
    expect(told.sends).toBeLessThan(60)
  })
})

describe('items that always fail', () => {
  const poisoned = (which: (item: number) => boolean): HostAt => {
    return (_, item) => (which(item) ? failing() : undefined)
  }

  test.each([
    ['5 of 40', 40, (item: number) => item % 8 === 7],
    ['the last 5 of 40', 40, (item: number) => item >= 35],
    ['every third of 90', 90, (item: number) => item % 3 === 0],
    ['3 of 3', 3, () => true],
  ])('%s are set aside after their retries', async (_, items, which) => {
    const all = Array.from({ length: items }, (_, item) => item)
    for (const concurrency of [1, 16]) {
      const told = await run(items, poisoned(which), { concurrency })
      const bad = all.filter(which)
      expect(told).toMatchObject({ done: items - bad.length, failed: bad, left: 0 })
      // Five sends each.
      expect(told.sends).toBe(items + 4 * bad.length)
    }
  })
})

test.each([1, 2, 3, 4])(
  'a host that fails the first %i calls of every item is outlasted within a minute',
  async count => {
    const host: HostAt = (_, __, sent) => (sent <= count ? failing() : undefined)
    const told = await run(300, host)
    expect(told).toMatchObject({ done: 300, failed: [], sends: 300 * (count + 1) })
    expect(told.endMs).toBeLessThan(60_000)
  },
)
