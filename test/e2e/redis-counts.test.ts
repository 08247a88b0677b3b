import { afterAll, describe, expect, test } from 'vitest'
import { ask } from '../support/exchange.ts'
import { type Gateway, startOneGateway } from '../support/gateway.ts'
import { startRedisCluster } from '../support/redis/cluster.ts'
import { fieldOf } from '../support/redis/condition.ts'
import { type Monitor, startMonitor } from '../support/redis/monitor.ts'
import { type RedisServer, startRedis } from '../support/redis/server.ts'
import { readStats } from '../support/stats.ts'
import { startUpstream } from '../support/upstream.ts'

const [server, cluster] = await Promise.all([startRedis(), startRedisCluster()])
afterAll(() => Promise.all([server.discard(), cluster.discard()]))
const body = 'x'.repeat(1_024)
const upstream = await startUpstream(response => response.end(body))
afterAll(upstream.stop)

/** What nobody's call waits for: looking for unknown records that are none any more, for nodes of the cluster; the ledger. */
const besideCalls = new Set(['page_unknown', 'CLUSTER', 'count', 'counters', 'meta_init', 'clock_ms'])

async function post(gateway: Gateway, key: string, outcome: 'executed' | 'replayed'): Promise<void> {
  const answer = await ask(`${gateway.url}/v1/things`, {
    headers: { Authorization: 'Bearer sk-test', 'Idempotency-Key': key },
    body: '{"thing":1}',
  })
  expect([answer.headers['retrysafe-outcome'], answer.text]).toEqual([outcome, body])
}

describe.each<[string, string, readonly RedisServer[]]>([
  ['a single server', server.url, [server]],
  ['a cluster', cluster.url, cluster.primaries],
])('commands on %s', async (_, store, nodes) => {
  const start = (...flags: string[]): Promise<Gateway> => startOneGateway(upstream.url, ['--store', store, ...flags])
  const [rerun, fail] = await Promise.all([start(), start('--on-crash', 'fail')])
  const monitors = await Promise.all(nodes.map(startMonitor))
  afterAll(() => Promise.all([rerun, fail, ...monitors].map(one => one.stop())))

  /** In order, where they go to one node: all that belong to a key do. */
  async function commandsOf(action: () => Promise<unknown>): Promise<string[]> {
    const seen: string[] = []
    const listen = ([monitor, ...others]: readonly Monitor[]): Promise<unknown> =>
      monitor === undefined ? action() : monitor.during(() => listen(others)).then(its => seen.push(...its))
    await listen(monitors)
    return seen.filter(name => !besideCalls.has(name))
  }

  /** Of a call that took less than 100 ms: then an attempt notes its canonical fingerprint. Each try has a key. */
  async function commandsOfQuick(gateway: Gateway, name: string): Promise<{ key: string; commands: string[] }> {
    for (let tries = 1; tries <= 20; tries++) {
      const key = `${name}-${tries}`
      let tookMs = 0
      const commands = await commandsOf(async () => {
        const startedMs = performance.now()
        await post(gateway, key, 'executed')
        tookMs = performance.now() - startedMs
      })
      if (tookMs < 100) return { key, commands }
    }
    throw new Error(`of 20 calls none took less than 100 ms: ${name}`)
  }

  test.each([
    ['rerun', rerun, ['claim', 'complete']],
    ['fail', fail, ['claim', 'renew', 'complete']],
  ] as const)('a first call under %s, then a replay', async (onCrash, gateway, expected) => {
    const { key, commands } = await commandsOfQuick(gateway, onCrash)
    expect(commands).toEqual(expected)
    expect(await commandsOf(() => post(gateway, key, 'replayed'))).toEqual(['claim'])
    // In another gateway too: there is nothing between the processes.
    const other = gateway === rerun ? fail : rerun
    expect(await commandsOf(() => post(other, key, 'replayed'))).toEqual(['claim'])
  })

  test('500 replays are 500 commands and write nothing: no change, no byte of the append-only file', async () => {
    const empty = await Promise.all(nodes.map(written))
    await post(rerun, 'again', 'executed')
    // Now what both have counted is there: what follows stays with them for ten seconds.
    await Promise.all([rerun, fail].map(gateway => readStats(gateway.admin)))
    const before = await Promise.all(nodes.map(written))
    expect(before).not.toEqual(empty)
    const commands = await commandsOf(async () => {
      for (let number = 0; number < 500; number++) await post(rerun, 'again', 'replayed')
    })
    expect(commands).toEqual(Array.from({ length: 500 }, () => 'claim'))
    expect(await Promise.all(nodes.map(written))).toEqual(before)
  })
})

interface Written {
  /** Changes to keys since the server started: it makes no snapshots. */
  readonly changes: string
  /** Of the append-only file. */
  readonly fileBytes: string
}

async function written(node: RedisServer): Promise<Written> {
  const info = await node.execute('INFO', 'persistence')
  const [changes, fileBytes] = ['rdb_changes_since_last_save', 'aof_current_size'].map(name => fieldOf(info, name))
  if (changes === undefined || fileBytes === undefined) throw new Error(`INFO lacks a figure: ${info}`)
  return { changes, fileBytes }
}
