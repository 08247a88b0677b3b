import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../house/source-files.ts'

// Not how fast, only that the bench measures what it says: a replay executes nothing, a first call exactly once.
test('the bench runs, and counts the executions it caused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-bench-'))
  try {
    const out = join(folder, 'gateway.json')
    execFileSync('node', ['bench/run.mjs', '--seconds', '1', '--repeats', '1', '--out', out], {
      cwd: root,
      stdio: 'pipe',
    })
    const { rows } = JSON.parse(readFileSync(out, 'utf8'))
    expect(rows.map((row: { row: string }) => row.row)).toEqual([
      'gateway replay, memory',
      'gateway first call, memory',
      'fingerprint of an identical replay, 1 KiB',
      'canonical fingerprint of JSON, 1 KiB',
      'canonical fingerprint of multipart, 1 KiB',
      'fingerprint of an identical replay, 32 KiB',
      'canonical fingerprint of JSON, 32 KiB',
      'canonical fingerprint of multipart, 32 KiB',
    ])
    expect(rows[0].executed).toBe(0)
    expect(rows[0].answered).toBeGreaterThan(0)
    expect(rows[1].executed).toBeGreaterThanOrEqual(rows[1].answered)
    for (const row of rows.slice(2)) expect(row.micros).toBeGreaterThan(0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
