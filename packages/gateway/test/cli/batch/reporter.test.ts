import { expect, onTestFinished, test, vi } from 'vitest'
import { boundedWarnings } from '../../../src/cli/batch/reporter.ts'
import { openReporter } from '../../../src/cli/batch/reporting.ts'
import { midway } from './progress.ts'

function told(count: number): string[] {
  const lines: string[] = []
  const warnings = boundedWarnings(line => lines.push(line))
  for (let item = 1; item <= count; item++) warnings.warn(`item ${item}`)
  warnings.end()
  return lines
}

test('a few warnings are shown as they come, and nothing is added', () => {
  expect(told(2)).toEqual(['item 1', 'item 2'])
})

test('of many the first ones and the last one are shown, the others counted', () => {
  const lines = told(1_500)
  expect(lines).toHaveLength(22)
  expect(lines.slice(18)).toEqual([
    'item 19',
    'item 20',
    'more of these are counted, and not shown',
    'and 1,480 more warnings, the last one: item 1500',
  ])
})

test('a batch that is stopped before its input was read says nothing of 0 items', async () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => written.mockRestore())
  vi.stubEnv('TERM', 'dumb')
  onTestFinished(() => void vi.unstubAllEnvs())
  const reporter = await openReporter(false)
  const unread = { ...midway, total: 0, done: 0, failed: 0, kept: 0, replayed: 0 }
  reporter.progress({ ...unread, phase: 'reading' })
  reporter.progress({ ...unread, phase: 'ended', stopped: 'signal' })
  expect(written.mock.calls).toEqual([])
  reporter.progress(midway)
  expect(written.mock.calls.map(([text]) => text)).toEqual([
    'retrysafe: batch nightly-2026-11-23: 20,000 items, 1,204 of them done before\n',
  ])
})
