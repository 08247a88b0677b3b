import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { type Member, startMember } from '../../../../test/support/process-member.ts'

type Result = [item: string, became: string]

interface Place {
  start(settings?: object): Member
  /** Items in the order in which they were paid. */
  paid(): string[]
}

function makePlace(): Place {
  const path = mkdtempSync(join(tmpdir(), 'retrysafe-batch-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  const ledger = join(path, 'paid')
  return {
    start(settings = {}) {
      const program = new URL('./programs/runner.mjs', import.meta.url)
      const member = startMember(program, { path: join(path, 'store'), ledger, ...settings })
      onTestFinished(() => member.kill())
      return member
    },
    paid: () => (existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').slice(0, -1) : []),
  }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `item ${index}`)
const counts = (results: readonly Result[]): Record<string, number> =>
  Object.fromEntries(
    ['done', 'replayed', 'OUTCOME_UNKNOWN'].map(word => [word, results.filter(([, became]) => became === word).length]),
  )

test.each<[point: string, onCrash: string, item10: string, timesPaid: number, paidOrUnknown: number]>([
  // Claimed, and nothing sent: it is sent once all in all. Under `fail` the mark comes first, so nobody knows.
  ['claimed', 'rerun', 'done', 1, 40],
  ['claimed', 'fail', 'OUTCOME_UNKNOWN', 0, 40],
  // Sent, and not recorded: that costs another, or is the end of it.
  ['sent', 'rerun', 'done', 2, 41],
  ['sent', 'fail', 'OUTCOME_UNKNOWN', 1, 41],
  // Recorded, and given to nobody yet: it comes from the store. The next one may have had its mark by then.
  ['recorded', 'rerun', 'replayed', 1, 40],
  ['recorded', 'fail', 'replayed', 1, 40],
])('killed where an item is %s, under %s', async (point, onCrash, became, timesPaid, paidOrUnknown) => {
  const place = makePlace()
  const settings = { items: 40, onCrash, concurrency: 1 }
  const first = place.start({ ...settings, dieAt: { point, item: 'item 10' } })
  await expect(first.ask('run')).rejects.toThrow()
  // 17 more were claimed and waited for their turn: they are taken over at once, and none of them is unknown.
  const results = await place.start(settings).ask<Result[]>('run')
  expect(results.map(([item]) => item).sort()).toEqual(names(40).sort())
  expect(new Map(results).get('item 10')).toBe(became)
  const unknown = results.filter(([, word]) => word === 'OUTCOME_UNKNOWN').length
  expect(unknown).toBeLessThanOrEqual(onCrash === 'fail' ? 1 : 0)
  expect(place.paid().filter(item => item === 'item 10').length).toBe(timesPaid)
  expect(place.paid().length + unknown).toBe(paidOrUnknown)
})

test('killed three times, it pays once for each item, and once more for what was under way', async () => {
  const place = makePlace()
  for (const results of [50, 80, 120]) {
    const runner = place.start({ items: 300 })
    const given: unknown[] = []
    runner.listen(news => void given.push(news))
    runner.ask('run').catch(() => {})
    await eventually(() => given.length).toBeGreaterThanOrEqual(results)
    await runner.kill()
  }
  const last = await place.start({ items: 300 }).ask<Result[]>('run')
  expect(last.map(([item]) => item).sort()).toEqual(names(300).sort())
  expect(counts(last).OUTCOME_UNKNOWN).toBe(0)
  const paid = place.paid()
  expect(new Set(paid).size).toBe(300)
  // 4 at once, at three kills.
  expect(paid.length).toBeLessThanOrEqual(312)
  // And now it is done: nothing is paid any more.
  const idle = await place.start({ items: 300 }).ask<Result[]>('run')
  expect(counts(idle)).toEqual({ done: 0, replayed: 300, OUTCOME_UNKNOWN: 0 })
  expect(place.paid().length).toBe(paid.length)
})

test('two runners of one batch at the same time share it: each item is paid once', async () => {
  const place = makePlace()
  const runners = [place.start({ items: 200 }), place.start({ items: 200 })]
  const results = await Promise.all(runners.map(runner => runner.ask<Result[]>('run')))
  for (const given of results) expect(given.map(([item]) => item).sort()).toEqual(names(200).sort())
  expect(place.paid().sort()).toEqual(names(200).sort())
  expect(results.flat().filter(([, became]) => became === 'done').length).toBe(200)
})

test('a runner that stood still between two tries of an item does not make the second: another has it by now', async () => {
  const place = makePlace()
  const settings = { items: 1, leaseMs: 1_000 }
  const still = place.start({ ...settings, refusedForMs: 2_500 })
  const told: unknown[] = []
  still.listen(news => void told.push(news))
  const results = still.ask<Result[]>('run')
  await eventually(() => told).toEqual(['refused'])
  still.stop()
  // Stopped, it is not gone: its lease and the grace of two seconds are waited for.
  expect(await place.start(settings).ask<Result[]>('run')).toEqual([['item 0', 'done']])
  still.resume()
  expect(await results).toEqual([['item 0', 'replayed']])
  expect(place.paid()).toEqual(['item 0'])
})
