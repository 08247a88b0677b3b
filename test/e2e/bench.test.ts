import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../house/source-files.ts'

interface Row {
  readonly row: string
  readonly executed: number
  readonly answered: number
  readonly micros: number
}

function runBench(only: string): readonly Row[] {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-bench-'))
  try {
    const out = join(folder, 'rows.json')
    const flags = ['--only', only, '--seconds', '0.2', '--repeats', '1', '--records', '2000', '--out', out]
    execFileSync('node', ['bench/run.mjs', ...flags], { cwd: root, stdio: 'pipe' })
    return JSON.parse(readFileSync(out, 'utf8')).rows
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

// Not how fast, only that the bench measures what it says: a replay executes nothing, a first call exactly once.
test('the bench of the gateway runs, and counts the executions it caused', { timeout: 60_000 }, () => {
  const [replay, firstCall, ...others] = runBench('memory')
  expect(replay).toMatchObject({ row: 'gateway replay, memory', executed: 0 })
  expect(replay?.answered).toBeGreaterThan(0)
  expect(firstCall?.row).toBe('gateway first call, memory')
  expect(firstCall?.executed).toBeGreaterThanOrEqual(firstCall?.answered ?? Number.NaN)
  expect(others).toEqual([])
})

test('the bench of fingerprints runs', { timeout: 60_000 }, () => {
  const rows = runBench('fingerprint')
  expect(rows.map(({ row }) => row)).toEqual([
    'fingerprint of an identical replay, 1 KiB',
    'canonical fingerprint of JSON, 1 KiB',
    'canonical fingerprint of multipart, 1 KiB',
    'fingerprint of an identical replay, 32 KiB',
    'canonical fingerprint of JSON, 32 KiB',
    'canonical fingerprint of multipart, 32 KiB',
  ])
  for (const { micros } of rows) expect(micros).toBeGreaterThan(0)
})

test('the bench of batches runs, and counts the executions it caused', { timeout: 60_000 }, () => {
  const rows = runBench('batch')
  expect(rows.map(({ row }) => row)).toEqual([
    'batch on lmdb, 16 at once, answers after 200 ms',
    'batch of a file on lmdb, 16 at once, answers after 200 ms',
    'batch on lmdb, 16 at once, answers at once',
    'batch of a file on lmdb, 16 at once, answers at once',
  ])
  for (const { answered, executed } of rows) {
    expect(answered).toBeGreaterThan(0)
    expect(executed).toBe(answered)
  }
})

test('the bench of PostgreSQL runs, and counts the executions it caused', { timeout: 120_000 }, () => {
  const rows = runBench('postgres')
  const executions = rows.map(({ row, executed, answered }) => {
    if (executed === 0) return [row, 'none']
    // A load generator hangs up on what is in flight when its time is over; a sweep counts what it removed.
    return [row, executed >= answered || row.includes('sweep') ? 'each' : 'fewer']
  })
  expect(executions).toEqual([
    ['gateway replay, postgres', 'none'],
    ['gateway first call, postgres', 'each'],
    ['postgres claims, 1 caller', 'each'],
    ['postgres claims, 64 callers', 'each'],
    ['postgres claims, 256 callers', 'each'],
    ['postgres claims by function, 64 callers', 'each'],
    ['postgres first calls, 1 caller', 'each'],
    ['postgres first calls, 64 callers', 'each'],
    ['postgres replays, 64 callers', 'none'],
    ['postgres appends of 1 KiB, 64 callers', 'none'],
    ['postgres claims among many records, p50', 'each'],
    ['postgres claims during a sweep, p99', 'each'],
  ])
  expect(rows.filter(({ answered }) => answered === 0)).toEqual([])
})

test('the bench of Redis runs, and counts the executions it caused', { timeout: 180_000 }, () => {
  // Without those that do the same on a cluster, and those that last.
  const rows = [...runBench('single'), ...runBench('beside')]
  const executions = rows.map(({ row, executed, answered }) => {
    if (executed === 0) return [row, 'none']
    return [row, executed >= answered ? 'each' : 'fewer']
  })
  expect(executions).toEqual([
    ['redis first calls, 64 callers, ioredis, single', 'each'],
    ['redis replays, 64 callers, ioredis, single', 'none'],
    ['redis first calls, 64 callers, redis, single', 'each'],
    ['redis replays, 64 callers, redis, single', 'none'],
    ['redis first calls beside powertools, 64 callers', 'each'],
    ['redis replays beside powertools, 64 callers', 'none'],
    ['redis first calls beside node-idempotency, 64 callers', 'each'],
    ['redis replays beside node-idempotency, 64 callers', 'none'],
    ['redis first calls beside bare SET NX GET and SET or GET, 64 callers', 'each'],
    ['redis replays beside bare SET NX GET and SET or GET, 64 callers', 'none'],
  ])
  for (const { answered } of rows) expect(answered).toBeGreaterThan(0)
})
