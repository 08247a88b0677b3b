import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import type { Store } from 'retrysafe/internal/engine/store'
import { memoryStore } from 'retrysafe/internal/stores/memory/index'
import { beforeEach, expect, test } from 'vitest'
import { ManualTime } from '../../../retrysafe/test/support/manual-time.ts'
import { LedgerStore } from '../../src/ledger/ledger-store.ts'
import { type RowKey, rowKey } from '../../src/ledger/row.ts'
import { Tally } from '../../src/ledger/tally.ts'

let time: ManualTime
let store: Store
/** What becomes of the next `count`s, the first of them first; then all is well. */
let faults: ('not made' | 'made, unanswered')[]
let asked: string[]
/** Happens while a `count` is on its way. */
let meanwhile: () => void
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
  faults = []
  asked = []
  meanwhile = () => {}
})

const rowOf = (tenant: string): RowKey => rowKey({ tenant, route: 'openai /v1/responses', model: 'm-1' })
const row = rowOf('abcdefgh')

function open(seed: number): { tally: Tally; ledger: LedgerStore; kill(): void } {
  const tally = new Tally()
  const { surroundings, kill } = time.process(seed)
  const faulty: Pick<Store, 'count' | 'counters' | 'metaInit' | 'now'> = {
    counters: bucket => store.counters(bucket),
    metaInit: (name, value) => store.metaInit(name, value),
    now: () => store.now(),
    async count(bucket, deltas, sequence) {
      asked.push(bucket)
      meanwhile()
      const fault = faults.shift()
      if (fault !== 'not made') await store.count(bucket, deltas, sequence)
      if (fault !== undefined) throw new RetrysafeError('STORE_UNAVAILABLE', 'gone')
      return 'ok'
    },
  }
  return { tally, ledger: new LedgerStore({ store: faulty, surroundings, tally }), kill }
}

async function sumsIn(ledger: LedgerStore): Promise<Record<string, Record<string, number>>> {
  const { rows } = await ledger.read()
  return Object.fromEntries([...rows].map(([key, counts]) => [key.replaceAll('\n', ' | '), Object.fromEntries(counts)]))
}
const name = 'abcdefgh | openai /v1/responses | m-1'

test('counts go to the store ten seconds after the first, all that came meanwhile at once', async () => {
  const { tally, ledger } = open(1)
  for (let at = 0; at < 100; at++) {
    tally.add(row, { requests: 1, saved: 20 })
    ledger.counted()
  }
  await time.advance(9_999)
  expect(asked).toEqual([])
  await time.advance(1)
  // Its name first, so that no row is counted that nobody finds.
  expect(asked).toEqual(['ledger rows', `ledger ${name.replaceAll(' | ', '\n')}`])
  expect(await sumsIn(ledger)).toEqual({ [name]: { requests: 100, saved: 2_000 } })
  await time.advance(60_000)
  expect(asked).toHaveLength(2)
  expect(time.waitingTimers).toBe(0)
})

test('the counts of all processes add up, since the first of them began', async () => {
  const one = open(1)
  const other = open(2)
  one.tally.add(row, { requests: 2 })
  await one.ledger.flush()
  await time.advance(1_000)
  other.tally.add(row, { requests: 3 })
  await other.ledger.flush()
  one.tally.add(row, { requests: 4 })
  await one.ledger.flush()
  expect(await sumsIn(other.ledger)).toEqual({ [name]: { requests: 9 } })
  expect((await other.ledger.read()).since).toBe('2024-01-01T00:00:00.000Z')
})

test.each([['not made' as const], ['made, unanswered' as const]])(
  'a count that was %s is sent again, and counts once; what came meanwhile is not lost',
  async fault => {
    const { tally, ledger } = open(1)
    tally.add(row, { requests: 1 })
    await ledger.flush()
    faults = [fault, fault, fault]
    tally.add(row, { requests: 10 })
    ledger.counted()
    await time.advance(10_000)
    tally.add(row, { requests: 100 })
    await time.advance(10_000)
    expect(faults).toEqual([fault])
    await time.advance(60_000)
    expect(await sumsIn(ledger)).toEqual({ [name]: { requests: 111 } })
  },
)

test('who asks gets what was counted until then, however fast more is counted; that comes with the next ones', async () => {
  const { tally, ledger } = open(1)
  const count = (): void => {
    if (asked.length > 50) throw new Error('what comes meanwhile is waited for')
    tally.add(row, { requests: 1 })
    ledger.counted()
  }
  count()
  meanwhile = count
  await ledger.flush()
  // One for the name of the row, on whose way the second came; the third came while both went.
  expect(await sumsIn(ledger)).toEqual({ [name]: { requests: 2 } })
  meanwhile = () => {}
  await time.advance(10_000)
  expect(await sumsIn(ledger)).toEqual({ [name]: { requests: 3 } })
})

test('what has no room for a name goes to the rest in the same turn', async () => {
  const { tally, ledger } = open(1)
  for (let at = 0; at < 1_000; at++) tally.add(rowOf(`t${at}`), { requests: 1 })
  await ledger.flush()
  tally.add(rowOf('late'), { requests: 1 })
  await ledger.flush()
  expect(tally.isEmpty).toBe(true)
  expect((await sumsIn(open(2).ledger))['other | other | other']).toEqual({ requests: 1 })
})

test('an index that did not answer takes the name at the next try', async () => {
  const { tally, ledger } = open(1)
  faults = ['made, unanswered']
  tally.add(row, { requests: 1 })
  await expect(ledger.flush()).rejects.toThrow('gone')
  await ledger.flush()
  expect(await sumsIn(ledger)).toEqual({ [name]: { requests: 1 } })
})

test('a thousand rows of a store have names; the rest are one', async () => {
  const { tally, ledger } = open(1)
  for (let at = 0; at < 1_000; at++) tally.add(rowOf(`t${at}`), { requests: 1 })
  await ledger.flush()
  const other = open(2)
  for (let at = 0; at < 50; at++) other.tally.add(rowOf(`u${at}`), { requests: 1 })
  other.tally.add(rowOf('t7'), { requests: 1 })
  await other.ledger.flush()
  const sums = await sumsIn(ledger)
  expect(Object.keys(sums)).toHaveLength(1_001)
  expect(sums['other | other | other']).toEqual({ requests: 50 })
  expect(sums['t7 | openai /v1/responses | m-1']).toEqual({ requests: 2 })
})

test('a process without a store to flush to keeps at most a thousand rows and one', () => {
  const tally = new Tally()
  for (let at = 0; at < 5_000; at++) tally.add(rowOf(`t${at}`), { requests: 1 })
  expect([tally.rows().size, tally.overflowed]).toEqual([1_001, 4_000])
})
