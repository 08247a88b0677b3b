import { describe, expect, test } from 'vitest'
import { judgeCluster } from '../../../../src/stores/redis/doctor/cluster-check.ts'
import { judgeMemory } from '../../../../src/stores/redis/doctor/memory-check.ts'
import { mergeFindings } from '../../../../src/stores/redis/doctor/merging.ts'
import { judgeServer, judgeVersion } from '../../../../src/stores/redis/doctor/server-checks.ts'
import { readInfo, type ServerInfo } from '../../../../src/stores/redis/server-info.ts'

const info = `# Server\r
redis_version:7.2.4\r
role:master\r
connected_slaves:0\r
aof_enabled:1\r
aof_last_write_status:ok\r
aof_last_bgrewrite_status:ok\r
rdb_last_bgsave_status:ok\r
maxmemory_policy:noeviction\r
connected_clients:3\r
maxclients:10000\r
`
const settings = {
  appendfsync: 'always',
  'no-appendfsync-on-rewrite': 'no',
  save: '3600 1',
  'stop-writes-on-bgsave-error': 'yes',
  'min-replicas-to-write': '0',
  'proto-max-bulk-len': '536870912',
  timeout: '0',
  'tcp-keepalive': '300',
}

function said(...lines: string[]): ServerInfo {
  return readInfo([info, ...lines].join('\r\n'))
}

describe('what is hard to make here', () => {
  test.each<[string, string[], Partial<typeof settings>, string, string, RegExp]>([
    ['a sound server', [], {}, 'appendonly', 'ok', /on disk before it is acknowledged/],
    ['a failed snapshot', ['rdb_last_bgsave_status:err'], {}, 'last write to disk', 'failed', /refuses all writes/],
    [
      'a failed snapshot that nobody asks for',
      ['rdb_last_bgsave_status:err'],
      { save: '' },
      'last write to disk',
      'warning',
      /could not be saved$/,
    ],
    ['a failed write', ['aof_last_write_status:err'], {}, 'last write to disk', 'failed', /\(MISCONF\)/],
    ['a failed rewrite', ['aof_last_bgrewrite_status:err'], {}, 'last write to disk', 'warning', /it grows/],
    ['few connections left', ['connected_clients:9990'], {}, 'connections', 'warning', /few are left/],
    [
      'a replica that lags',
      ['connected_slaves:1', 'slave0:ip=h,port=1,state=wait_bgsave'],
      {},
      'replicas',
      'warning',
      /1 of 1 lag/,
    ],
    [
      'too few replicas',
      ['connected_slaves:1', 'min_slaves_good_slaves:1'],
      { 'min-replicas-to-write': '2' },
      'replicas',
      'failed',
      /NOREPLICAS/,
    ],
    [
      'replicas in a cluster',
      ['connected_slaves:1', 'cluster_enabled:1', 'slave0:ip=h,port=1,state=online'],
      {},
      'replicas',
      'ok',
      /a failover forgets the last outcomes/,
    ],
  ])('%s', (_, lines, change, check, level, says) => {
    const config = new Map(Object.entries({ ...settings, ...change }))
    const found = judgeServer(said(...lines), config, false).filter(finding => finding.check === check)
    expect(found).toMatchObject([{ level, says: expect.stringMatching(says) }])
  })

  test.each([
    ['6.2.14', 'failed'],
    ['7.0.0', 'ok'],
    ['8.4.1', 'ok'],
    ['10.0.0', 'ok'],
  ])('version %s: %s', (version, level) => {
    expect(judgeVersion(said(`redis_version:${version}`)).level).toBe(level)
  })

  test('a user who may not ask CONFIG GET is told what is not known, and nothing is made up', () => {
    const findings = judgeServer(said(), undefined, false)
    expect(findings.filter(({ level }) => level !== 'ok').map(({ check }) => check)).toEqual(['appendonly'])
    expect(findings.find(({ check }) => check === 'proto-max-bulk-len')?.says).toContain('not known')
  })
})

describe('memory', () => {
  const room = (used: number, most: number) => said(`used_memory:${used}`, `maxmemory:${most}`)

  test('how many more fit, by the measured size and what Redis takes for the end of each', () => {
    const finding = judgeMemory(room(10_000_000, 20_000_000), [952, 1_952])
    expect(finding.level).toBe('ok')
    expect(finding.says).toBe(
      '9.5 MiB of 19.1 MiB are used; a record takes 1500 bytes (2 measured): room for about 6666 more',
    )
  })

  test('no records yet: no number is made up', () => {
    expect(judgeMemory(room(10_000_000, 20_000_000), []).says).toBe(
      '9.5 MiB of 19.1 MiB are used; no records to measure yet',
    )
  })

  test('what the server does not count against maxmemory is not counted', () => {
    const facts = said('used_memory:21000000', 'maxmemory:20000000', 'mem_not_counted_for_evict:5000000')
    expect(judgeMemory(facts, []).level).toBe('ok')
  })

  test.each([
    [18_000_000, 'ok'],
    [18_000_001, 'warning'],
    [20_000_000, 'failed'],
  ])('%d of 20000000 bytes: %s', (used, level) => {
    expect(judgeMemory(room(used, 20_000_000), []).level).toBe(level)
  })
})

test.each([
  [{}, 'ok', 'state ok, 16384 of 16384 slots on 3 primaries'],
  [{ cluster_slots_pfail: '5461' }, 'warning', '5461 of them on nodes that do not answer just now'],
  [{ cluster_slots_fail: '5461', cluster_state: 'fail' }, 'failed', '5461 of them on nodes that are gone'],
  [{ cluster_slots_assigned: '16383', cluster_state: 'fail' }, 'failed', '16383 of 16384 slots'],
])('a cluster of %j: %s', (change, level, says) => {
  const sound = { cluster_state: 'ok', cluster_slots_assigned: '16384', cluster_size: '3' }
  const finding = judgeCluster(new Map(Object.entries({ ...sound, ...change })))
  expect(finding).toMatchObject({ level, says: expect.stringContaining(says) })
})

test('several servers: what all say stands once, what some say stands with who says it', () => {
  const same = { check: 'role', level: 'ok', says: 'a primary' } as const
  const one = { check: 'clock', level: 'ok', says: 'even' } as const
  const other = { check: 'clock', level: 'warning', says: 'ahead', cure: 'NTP' } as const
  const nodes = [
    { node: 'a:1', findings: [same, one] },
    { node: 'b:2', findings: [same, other] },
    { node: 'c:3', findings: [same, one] },
  ]
  expect(mergeFindings(nodes)).toEqual([
    same,
    { check: 'clock', level: 'ok', says: 'a:1, c:3: even' },
    { check: 'clock', level: 'warning', says: 'b:2: ahead', cure: 'NTP' },
  ])
})
