import { expect, test } from 'vitest'
import { statusText } from '../../../src/cli/batch/status-text.ts'
import { midway } from './progress.ts'

test('a batch that runs', () => {
  const status = { ...midway, state: 'running' as const, pid: 4_711, heldMs: 4_000, trouble: 'the answer was 429' }
  expect(statusText(status)).toBe(`Batch nightly-2026-11-23: running (process 4711)
  done     13,600 of 20,000 (68 % settled)
           1,204 kept, 312 replayed in that run
  failed   3
  pace     16 of 16 in flight, 188/s, ETA 34 s
  waiting  4 s: the answer was 429
  tokens   1,234,567 in, 310,000 out
  money    about $1.23 spent, $0.1234 saved by what was there already
  started  2026-11-23T01:00:00.000Z, ran for 1 min 12 s
  updated  2026-11-23T01:01:12.000Z
  input    /data/in.jsonl
  outputs  /data/out.jsonl
  errors   /data/out.errors.jsonl
`)
})

test.each([
  [{ state: 'killed' }, 'killed (process 4711 is gone): the same command again goes on where it stopped'],
  [{ state: 'stopped', stopped: 'max cost' }, 'stopped, or it would have cost more than --max-cost'],
  [{ state: 'ended' }, 'ended, but for 3 items'],
  [{ state: 'ended', failed: 0 }, 'all done'],
] as const)('%j', (change, words) => {
  const text = statusText({ ...midway, pid: 4_711, ...change })
  expect(text.split('\n')[0]).toBe(`Batch nightly-2026-11-23: ${words}`)
  expect(text).not.toContain('pace')
})
