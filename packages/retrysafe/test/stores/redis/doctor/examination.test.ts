import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { startRedisCluster } from '../../../../../../test/support/redis/cluster.ts'
import { startRedisWithReplica } from '../../../../../../test/support/redis/replica.ts'
import { type RedisServer, startRedis } from '../../../../../../test/support/redis/server.ts'
import { startTcpProxy } from '../../../../../../test/support/tcp-proxy.ts'
import type { Finding } from '../../../../src/stores/finding.ts'
import { examineRedis } from '../../../../src/stores/redis/doctor/examination.ts'
import { redisStore } from '../../../../src/stores/redis/index.ts'

const libraries = ['ioredis', 'redis'] as const
const rules = {
  app: '~rs:* resetchannels &rs:* -@all +@read +@write +@scripting +@pubsub +info +time',
  untold: '~* &* +@all -config',
  mute: '~* &* +@all -info -config',
  deaf: '~* resetchannels +@all',
  blind: '~* &* +@all -evalsha -eval',
  short: '~* &* +@all -setrange -append -zadd -pexpireat',
  stranger: '~rs:{* &* +@all',
}
const acl = Object.fromEntries(Object.entries(rules).map(([user, rule]) => [user, `on >pw resetkeys ${rule}`]))
const server = await startRedis({ settings: { maxmemory: '512mb' }, acl })
afterAll(() => server.stop())

async function withSettings(settings: Readonly<Record<string, string>>, on: RedisServer = server): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    const [, before] = (await on.execute('CONFIG', 'GET', name)) as [string, string]
    await on.execute('CONFIG', 'SET', name, value)
    onTestFinished(async () => void (await on.execute('CONFIG', 'SET', name, before)))
  }
}

function findingOf(findings: readonly Finding[], check: string): Finding {
  const found = findings.filter(finding => finding.check === check)
  expect(found.map(finding => finding.check)).toEqual([check])
  return found[0] ?? { check, level: 'failed', says: '' }
}

/** Those that are not ok, by name. */
function levels(findings: readonly Finding[]): Record<string, string> {
  return Object.fromEntries(findings.filter(({ level }) => level !== 'ok').map(({ check, level }) => [check, level]))
}

const all = [
  'version',
  'role',
  'maxmemory-policy',
  'appendonly',
  'last write to disk',
  'replicas',
  'proto-max-bulk-len',
  'connections',
  'memory',
  'rights',
  'clock',
]

test.each(libraries)('a sound server through %s: every check is there, and ok; nothing is changed', async library => {
  const before = await server.execute('DBSIZE')
  const findings = await examineRedis(`${server.url}?client=${library}`)
  expect(findings.map(({ check }) => check)).toEqual(all)
  expect(levels(findings)).toEqual({})
  expect(findingOf(findings, 'version').says).toMatch(/^Redis \d+\.\d+\.\d+$/)
  expect(await server.execute('DBSIZE')).toBe(before)
})

describe('settings that lose records, or refuse them', () => {
  test.each<[Record<string, string>, string, string, RegExp]>([
    [{ 'maxmemory-policy': 'allkeys-lru' }, 'maxmemory-policy', 'failed', /drops records.*does not start on it/],
    [{ 'maxmemory-policy': 'volatile-lru' }, 'maxmemory-policy', 'failed', /drops records/],
    [{ appendonly: 'no' }, 'appendonly', 'warning', /a restart forgets.*there is none/],
    [{ appendfsync: 'everysec' }, 'appendonly', 'warning', /forgets up to 2 s/],
    [{ appendfsync: 'no' }, 'appendonly', 'warning', /30 s or more/],
    [{ 'no-appendfsync-on-rewrite': 'yes' }, 'appendonly', 'warning', /while its file is rewritten/],
    [{ 'min-replicas-to-write': '1' }, 'replicas', 'failed', /refuses all writes \(NOREPLICAS\)/],
    [{ maxmemory: '0' }, 'memory', 'warning', /grows until the system ends it/],
    [{ maxmemory: '900kb' }, 'memory', 'failed', /full, new calls are refused/],
    [{ 'proto-max-bulk-len': '1048576' }, 'proto-max-bulk-len', 'warning', /up to 1\.0 MiB: the server cuts/],
    [{ timeout: '10' }, 'connections', 'warning', /timeout is 10 s/],
    [{ 'tcp-keepalive': '0' }, 'connections', 'warning', /machines that are gone/],
  ])('%j', async (settings, check, level, says) => {
    await withSettings(settings)
    const findings = await examineRedis(server.url)
    expect(levels(findings)).toEqual({ [check]: level })
    const finding = findingOf(findings, check)
    expect(finding.says).toMatch(says)
    expect(finding.cure).toBeTruthy()
  })

  test('evicting=allow: a warning is left of it', async () => {
    await withSettings({ 'maxmemory-policy': 'allkeys-lfu' })
    expect(levels(await examineRedis(`${server.url}?evicting=allow`))).toEqual({ 'maxmemory-policy': 'warning' })
  })
})

describe.each(libraries)('rights, through %s', library => {
  const look = (user: string): Promise<Finding[]> => examineRedis(`${server.urlOf(user, 'pw')}?client=${library}`)

  test('those that the cure gives are enough', async () => {
    const findings = await look('app')
    // Whether each outcome is on disk is in no right of an application.
    expect(levels(findings)).toEqual({ appendonly: 'warning' })
    expect(findingOf(findings, 'appendonly').says).toContain('not known: this user may not ask CONFIG GET')
  })

  test.each<[string, string, RegExp]>([
    ['blind', 'failed', /^this user may not send EVAL: the store does not work$/],
    ['short', 'failed', /^this user may not send [A-Z]+ rs:\{doctor\}; .*, and 1 more: the store does not work$/],
    ['stranger', 'failed', /SET rs:o:\{doctor\}/],
    ['deaf', 'warning', /SPUBLISH rs:\{doctor\}:n; SSUBSCRIBE rs:\{doctor\}:n: .*by polling$/],
    ['mute', 'warning', /may not send INFO/],
  ])('%s: %s', async (user, level, says) => {
    const finding = findingOf(await look(user), 'rights')
    expect(finding).toMatchObject({ level, says: expect.stringMatching(says), cure: expect.stringContaining('~rs:*') })
  })

  test('without INFO the rest is looked at all the same', async () => {
    expect((await look('mute')).map(({ check }) => check)).toEqual(['server', 'rights', 'clock'])
  })
})

test('room is told by the size of the records that are there, near what the server says itself', async () => {
  const url = `${server.url}?prefix=sized`
  const store = redisStore({ url })
  const count = 2_000
  const usedBytes = async (): Promise<number> =>
    Number(/used_memory_dataset:(\d+)/.exec(String(await server.execute('INFO', 'memory')))?.[1])
  const before = await usedBytes()
  const claims = Array.from({ length: count }, (_, at) => at)
  await Promise.all(claims.map(at => claimAndComplete(store, at)))
  const each = ((await usedBytes()) - before) / count
  await store.close()
  const { says } = findingOf(await examineRedis(url), 'memory')
  const told = Number(/a record takes (\d+) bytes \(200 measured\): room for about \d{5,} more/.exec(says)?.[1])
  expect(told / each).toBeGreaterThan(0.9)
  expect(told / each).toBeLessThan(1.1)
  expect(findingOf(await examineRedis(`${server.url}?prefix=other`), 'memory').says).toContain('no records to measure')
})

async function claimAndComplete(store: ReturnType<typeof redisStore>, at: number): Promise<void> {
  const key = Buffer.from(String(at).padStart(32, '0')).toString('base64url')
  const owner = Buffer.from(String(at).padStart(16, '0')).toString('base64url')
  const answer = await store.claim({
    key: key as never,
    raw: 'x'.repeat(43) as never,
    owner,
    leaseMs: 30_000,
    retentionMs: 60_000,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'http', tenant: 'one', key: `key-${at}` },
  })
  if (answer.kind !== 'acquired') throw new Error(`a new key was ${answer.kind}`)
  await store.complete(key as never, answer.token, { offsetBytes: 0, bytes: Buffer.alloc(1_024) })
}

test('a replica is no place for a store; a primary with one says what a failover forgets', async () => {
  const pair = await startRedisWithReplica({ settings: { maxmemory: '512mb' } })
  onTestFinished(() => pair.discard())
  const replica = findingOf(await examineRedis(pair.replica.url), 'role')
  expect(replica).toMatchObject({ level: 'failed', says: expect.stringMatching(/a replica of 127\.0\.0\.1:\d+/) })
  const primary = findingOf(await examineRedis(pair.primary.url), 'replicas')
  expect(primary).toMatchObject({ level: 'warning', says: expect.stringContaining('min-replicas-to-write is 0') })
  await withSettings({ 'min-replicas-to-write': '1' }, pair.primary)
  expect(findingOf(await examineRedis(pair.primary.url), 'replicas').level).toBe('ok')
})

test('a cluster: every primary is looked at, and who differs is named; a slot without a node has failed', async () => {
  const cluster = await startRedisCluster({ settings: { maxmemory: '512mb', 'cluster-require-full-coverage': 'no' } })
  onTestFinished(() => cluster.discard())
  for (const library of libraries) {
    const findings = await examineRedis(`${cluster.url}?client=${library}`)
    expect(levels(findings)).toEqual({})
    expect(findingOf(findings, 'cluster').says).toBe('state ok, 16384 of 16384 slots on 3 primaries')
    expect(findings.filter(({ check }) => check === 'memory').length).toBeGreaterThan(0)
  }
  const [, second] = cluster.primaries
  await second?.execute('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  await second?.execute('CONFIG', 'SET', 'appendfsync', 'everysec')
  const findings = await examineRedis(cluster.url)
  expect(levels(findings)).toEqual({ 'maxmemory-policy': 'failed', appendonly: 'warning' })
  for (const check of ['maxmemory-policy', 'appendonly']) {
    const told = findings.filter(finding => finding.check === check && finding.level !== 'ok')
    expect(told.map(({ says }) => says.split(': ')[0])).toEqual([`127.0.0.1:${second?.port}`])
  }
  second?.pause()
  // Which node is asked first is drawn.
  const urls = Array.from({ length: 8 }, (_, at) => `${cluster.url}?timeout=1s&client=${libraries[at % 2]}`)
  const halting = await Promise.all(urls.map(examineRedis))
  second?.resume()
  for (const findings of halting) {
    expect(findings.filter(({ check }) => check === 'connection')).toEqual([
      {
        check: 'connection',
        level: 'failed',
        says: expect.stringMatching(`^127.0.0.1:${second?.port}: Redis (gave no answer|is out of reach)`),
      },
    ])
    expect(findings.map(({ check }) => check)).toContain('rights')
  }
  const single = await examineRedis(second?.url ?? '')
  expect(single).toMatchObject([
    { check: 'connection', level: 'failed', says: expect.stringContaining('redis+cluster://') },
  ])
  for (const node of cluster.primaries) await node.execute('CLUSTER', 'DELSLOTS', '0')
  const holed = (await examineRedis(cluster.url)).filter(({ check }) => check === 'cluster')
  expect(holed.map(({ level }) => level)).toContain('failed')
})

describe.each(libraries)('no way to the server, through %s', library => {
  const examine = (url: string): Promise<Finding[]> => examineRedis(`${url}?client=${library}&timeout=500ms`)

  test('nobody there: one finding', async () => {
    expect(await examine('redis://127.0.0.1:9')).toMatchObject([
      { check: 'connection', level: 'failed', says: expect.stringContaining('ECONNREFUSED 127.0.0.1:9; start it') },
    ])
  })

  test('a server that takes connections and says nothing: one finding, soon', async () => {
    const line = await startTcpProxy(server)
    onTestFinished(() => line.stop())
    line.stall('server')
    const startedMs = performance.now()
    expect(await examine(line.through(server.url))).toMatchObject([{ check: 'connection', level: 'failed' }])
    expect(performance.now() - startedMs).toBeLessThan(3_000)
  })
})

test('a URL that is wrong is the error itself', async () => {
  await expect(examineRedis('redis://host/?prefx=a')).rejects.toThrow('does not know prefx')
})
