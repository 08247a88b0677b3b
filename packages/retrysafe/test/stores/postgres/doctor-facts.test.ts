import { describe, expect, test } from 'vitest'
import { judgeClock } from '../../../src/stores/clock-check.ts'
import { judgePartitions } from '../../../src/stores/postgres/doctor/partition-check.ts'
import { judgeConnections, judgeServer, type ServerFacts } from '../../../src/stores/postgres/doctor/server-checks.ts'
import { judgeVacuum } from '../../../src/stores/postgres/doctor/vacuum-check.ts'

describe('what no server here is', () => {
  const sound: ServerFacts = {
    version: '16.4',
    number: 160_004,
    role: 'app',
    database: 'app',
    standby: false,
    readOnly: false,
    isolation: 'read committed',
    fsync: true,
    fullPageWrites: true,
    synchronousCommit: 'on',
    hasSynchronousStandby: false,
    walWriterDelay: '200ms',
    autovacuum: true,
    connectionsAllowed: 97,
    connectionsInUse: 1,
  }

  test.each<[string, Partial<ServerFacts>, string, string, RegExp]>([
    ['PostgreSQL 13', { version: '13.2', number: 130_002 }, 'version', 'failed', /13\.2 is too old.*needs 14/],
    ['local, no standby', { synchronousCommit: 'local' }, 'synchronous_commit', 'ok', /no synchronous standby/],
    [
      'local, with a synchronous standby',
      { synchronousCommit: 'local', hasSynchronousStandby: true },
      'synchronous_commit',
      'warning',
      /failover/,
    ],
    [
      'remote_write, with a synchronous standby',
      { synchronousCommit: 'remote_write', hasSynchronousStandby: true },
      'synchronous_commit',
      'warning',
      /lost power/,
    ],
    [
      'on, with a synchronous standby',
      { hasSynchronousStandby: true },
      'synchronous_commit',
      'ok',
      /has each outcome before/,
    ],
  ])('%s', (_, change, check, level, says) => {
    const found = judgeServer({ ...sound, ...change }).find(finding => finding.check === check)
    expect(found?.level).toBe(level)
    expect(found?.says).toMatch(says)
  })

  test('connections for no, one or more processes', () => {
    expect(judgeConnections({ ...sound, connectionsAllowed: 10 }, 11).level).toBe('warning')
    expect(judgeConnections({ ...sound, connectionsAllowed: 21 }, 11).says).toContain('enough for 1 process')
    expect(judgeConnections({ ...sound, connectionsAllowed: 22 }, 11).says).toContain('enough for 2 processes')
  })

  test('clocks that differ: by more than can be the way between them', () => {
    expect(judgeClock(1_000, 0).level).toBe('ok')
    expect(judgeClock(-1_001, 0)).toMatchObject({ level: 'warning', says: expect.stringContaining('1001 ms behind') })
    expect(judgeClock(1_400, 400).level).toBe('ok')
    expect(judgeClock(1_401, 400).level).toBe('warning')
  })

  test('partitions: the third day from now is needed, the fourth is not', () => {
    const nowMs = Date.UTC(2026, 10, 29, 23, 59)
    const days = new Set(['20261129', '20261130', '20261201', '20261202', 'default'])
    expect(judgePartitions({ days, nowMs, strays: 0 })).toMatchObject({
      level: 'ok',
      says: expect.stringContaining('20261202'),
    })
    expect(judgePartitions({ days, nowMs: nowMs + 60_000, strays: 0 }).says).toContain('none for 20261203:')
    expect(judgePartitions({ days, nowMs, strays: 10_000 }).says).toContain('over 10,000 rows')
  })

  test('bloat: many dead rows, and updates that are not HOT', () => {
    const healthy = { autovacuum: true, live: 100_000, dead: 20_000, updates: 10_000, hotUpdates: 8_000 }
    const facts = { ...healthy, vacuumedAtMs: null, bytes: 3_145_728 }
    expect(judgeVacuum(facts)).toMatchObject({
      level: 'ok',
      says: '100000 records, 20000 dead rows, 3.0 MiB; 80 % of 10000 updates HOT; last vacuum: never',
    })
    expect(judgeVacuum({ ...facts, dead: 20_001 })).toMatchObject({
      level: 'warning',
      says: expect.stringContaining('does not keep up'),
    })
    expect(judgeVacuum({ ...facts, live: 0, dead: 9_999 }).level).toBe('ok')
    expect(judgeVacuum({ ...facts, hotUpdates: 7_999 }).says).toContain('find no room in their page')
    expect(judgeVacuum({ ...facts, updates: 999, hotUpdates: 0 }).level).toBe('ok')
  })
})
