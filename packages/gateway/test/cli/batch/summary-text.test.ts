import { expect, test } from 'vitest'
import { progressLine, quarterOf } from '../../../src/cli/batch/progress-line.ts'
import { hasSucceeded, summaryText } from '../../../src/cli/batch/summary-text.ts'
import { midway } from './progress.ts'

const over = { ...midway, phase: 'ended', inFlight: 0, done: 20_000, failed: 0 } as const
const lastWord = (path: string): string => path.replace('/data/', '')

test('all done', () => {
  expect(summaryText(over, 'nightly', lastWord)).toBe(`Batch nightly: all done
  done     20,000 of 20,000: 1,204 kept, 312 replayed
  failed   0
  tokens   1,234,567 in, 310,000 out
  money    about $1.23 spent, $0.1234 saved by what was there already
  time     1 min 12 s
  outputs  out.jsonl
`)
  expect(hasSucceeded(over)).toBe(true)
})

test('with failed items it says where they are, and what to do', () => {
  const failed = { ...over, done: 19_997, failed: 3, usdSpent: null, usdSaved: null }
  expect(summaryText(failed, 'nightly', lastWord)).toBe(`Batch nightly: done, but for 3 items
  done     19,997 of 20,000: 1,204 kept, 312 replayed
  failed   3
  tokens   1,234,567 in, 310,000 out
  money    unknown: no price is known for its models (--prices FILE)
  time     1 min 12 s
  outputs  out.jsonl
  errors   out.errors.jsonl
Run the same command again to try the 3 failed items again.
`)
  expect(hasSucceeded(failed)).toBe(false)
})

test('of what may have been paid it does not say that it is tried again', () => {
  const adviceOf = (failed: number, unknown: number): string[] => {
    const text = summaryText({ ...over, done: 20_000 - failed, failed, unknown }, 'nightly', lastWord)
    return text.trimEnd().split('\n').slice(8)
  }
  const of = (items: string): string =>
    `${items} may have been paid for (OUTCOME_UNKNOWN), and will not be sent again: look at the provider; with another custom_id it is a new item.`
  expect(adviceOf(2, 2)).toEqual([of('2 items')])
  expect(adviceOf(3, 1)).toEqual([of('1 item'), 'Run the same command again to try the 2 failed items again.'])
})

test.each([
  ['limit', 'as many as --limit says', 'Run the same command again for the 1,000 items left.', true],
  [
    'max cost',
    'stopped, or it would have cost more than --max-cost',
    'Raise --max-cost. The same command again goes on',
    false,
  ],
  ['signal', 'stopped by a signal', 'The same command again goes on where it stopped', false],
  ['stalled', 'stopped: nothing answers', 'The same command again goes on where it stopped', false],
  ['disk full', 'stopped: no space is left for its files', 'Make room. The same command again goes on', false],
  ['refused', 'stopped: every call is refused', 'Look at the errors:', false],
] as const)('stopped by %s', (stopped, headline, advice, isSuccess) => {
  const text = summaryText({ ...over, done: 19_000, stopped }, 'nightly', lastWord)
  expect(text.split('\n')[0]).toBe(`Batch nightly: ${headline}`)
  expect(text).toContain('  left     1,000\n')
  expect(text.trimEnd().split('\n').at(-1)).toContain(advice)
  expect(hasSucceeded({ ...over, done: 19_000, stopped })).toBe(isSuccess)
})

test('money that leaves something out says so', () => {
  expect(summaryText({ ...over, withoutPrice: 20 }, 'nightly', lastWord)).toContain(
    'at least $1.23 spent, $0.1234 saved by what was there already; no price is known for 20 answers (--prices FILE)\n',
  )
})

test('where nothing was done, no price is missing', () => {
  const none = { ...over, done: 0, kept: 0, usdSpent: null, usdSaved: null, stopped: 'stalled' as const }
  expect(summaryText(none, 'nightly', lastWord)).toContain('  money    none spent\n')
})

test('a limit does not hide what failed', () => {
  expect(hasSucceeded({ ...over, done: 18_999, failed: 1, stopped: 'limit' })).toBe(false)
})

test('one line for a log', () => {
  expect(progressLine({ ...midway, heldMs: 4_000, trouble: '429' })).toBe(
    '13,600 of 20,000 done (68 %), 3 failed, 16 of 16 in flight, 1,204 kept, 312 replayed, 188/s, ETA 34 s, ' +
      'tokens 1.2M in 310k out, about $1.23 spent, $0.1234 saved, waiting 4 s: 429',
  )
  expect([0, 4_999, 5_000, 13_600, 15_000, 20_000].map(done => quarterOf({ ...midway, done, failed: 0 }))).toEqual([
    ...[0, 0, 1, 2, 3, 3],
  ])
})
