import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openEngine } from '../../packages/retrysafe/src/engine/engine.ts'
import { postgresStore } from '../../packages/retrysafe/src/stores/postgres/index.ts'
import { migrate } from '../../packages/retrysafe/src/stores/postgres/migrate.ts'
import { callOf, enterRun, describe as entryOf, runPlain } from '../../packages/retrysafe/test/support/engines.ts'
import { keyOf } from '../../packages/retrysafe/test/support/store-terms.ts'
import { ask } from '../support/exchange.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { startPostgres } from '../support/postgres/server.ts'
import { readStats } from '../support/stats.ts'
import { startUpstream } from '../support/upstream.ts'

/** What the server itself says of its statements and of its WAL, to which nobody else adds anything. */
const server = await startPostgres({
  settings: {
    autovacuum: 'off',
    wal_level: 'minimal',
    max_wal_senders: 0,
    checkpoint_timeout: '1h',
    log_statement: 'all',
    log_parameter_max_length: 0,
  },
})
afterAll(() => server.stop())
const url = await server.createDatabase()
await migrate({ url })
const body = 'x'.repeat(1_024)
const upstream = await startUpstream(response => response.end(body))
afterAll(upstream.stop)

const client = new Client({ connectionString: url })
beforeAll(() => client.connect())
afterAll(() => client.end())

/** What nobody's call waits for: upkeep, and the ledger. */
const besideCalls = new Set(['sweep', 'maintain', 'count', 'counters', 'meta_init', 'clock'])

/** The functions that were called meanwhile, in order; but for those that nobody's call waits for. */
async function stepsOf(action: () => Promise<unknown>): Promise<string[]> {
  const seen = server.log().length
  await action()
  const calls = server
    .log()
    .slice(seen)
    .matchAll(/execute <unnamed>: SELECT \* FROM "retrysafe"\.(\w+)/g)
  return [...calls].map(([, name = '']) => name).filter(name => !besideCalls.has(name))
}

/** The steps of a call that took less than 100 ms: then an attempt notes its canonical fingerprint. Each try has a key. */
async function stepsOfQuick(
  name: string,
  call: (key: string) => Promise<unknown>,
): Promise<{ key: string; steps: string[] }> {
  for (let tries = 1; tries <= 20; tries++) {
    const key = `${name}-${tries}`
    const startedMs = performance.now()
    const steps = await stepsOf(() => call(key))
    if (performance.now() - startedMs < 100) return { key, steps }
  }
  throw new Error(`of 20 calls none took less than 100 ms: ${name}`)
}

async function openGateway(...flags: string[]): Promise<Gateway> {
  const gateway = await startGateway(upstream.url, ['--store', url, ...flags])
  afterAll(gateway.stop)
  return gateway
}

const rerun = await openGateway()
const fail = await openGateway('--on-crash', 'fail')

async function post(gateway: Gateway, key: string, outcome: 'executed' | 'replayed'): Promise<void> {
  const answer = await ask(`${gateway.url}/v1/things`, {
    headers: { Authorization: 'Bearer sk-test', 'Idempotency-Key': key },
    body: '{"thing":1}',
  })
  expect([answer.headers['retrysafe-outcome'], answer.text]).toEqual([outcome, body])
}

const store = postgresStore({ url })
const engine = await openEngine({ store })
afterAll(() => engine.close())

async function replayInEngine(key: string): Promise<void> {
  expect(entryOf(await engine.enter(callOf({ key: keyOf(key) })))).toBe(`replay 200 "${body}"`)
}

describe('statements of a call through the engine', () => {
  test.each([
    ['rerun', ['claim', 'complete']],
    ['fail', ['claim', 'renew', 'complete']],
  ] as const)('a first call under %s, then a replay', async (onCrash, expected) => {
    const { key, steps } = await stepsOfQuick(`engine-${onCrash}`, async name => {
      const attempt = await enterRun(engine, { key: keyOf(name), onCrash })
      expect(await attempt.begin()).toBe('go')
      expect(await runPlain(attempt, body)).toBe('sealed')
    })
    expect(steps).toEqual(expected)
    expect(await stepsOf(() => replayInEngine(key))).toEqual(['claim'])
  })

  test('64 first calls at once: a few statements for all', async () => {
    const made = await stepsOf(() =>
      Promise.all(
        Array.from({ length: 64 }, async (_, number) => {
          const attempt = await enterRun(engine, { key: keyOf(`together-${number}`) })
          expect(await runPlain(attempt, body)).toBe('sealed')
        }),
      ),
    )
    expect(made.filter(name => name === 'claim_many')).toHaveLength(2)
    expect(made.filter(name => name === 'complete_many').length).toBeGreaterThan(0)
    expect(made.length).toBeLessThanOrEqual(16)
  })
})

describe('statements of a call through the gateway', () => {
  test.each([
    ['rerun', rerun, ['claim', 'complete']],
    ['fail', fail, ['claim', 'renew', 'complete']],
  ] as const)('a first call under %s, then a replay', async (onCrash, gateway, expected) => {
    const { key, steps } = await stepsOfQuick(onCrash, name => post(gateway, name, 'executed'))
    expect(steps).toEqual(expected)
    expect(await stepsOf(() => post(gateway, key, 'replayed'))).toEqual(['claim'])
  })
})

interface Written {
  readonly walBytes: number
  readonly transactions: number
  /** Rows of all tables that were inserted, updated or deleted. */
  readonly rows: number
  readonly deadRows: number
}

async function written(): Promise<Written> {
  const { rows } = await client.query<Written>(`SELECT
    (pg_current_wal_insert_lsn() - '0/0')::float8 AS "walBytes",
    pg_snapshot_xmax(pg_current_snapshot())::text::float8 AS transactions,
    sum(n_tup_ins + n_tup_upd + n_tup_del)::float8 AS rows,
    sum(n_dead_tup)::float8 AS "deadRows"
  FROM pg_stat_user_tables`)
  const [found] = rows
  if (found === undefined) throw new Error('pg_stat_user_tables is empty')
  return found
}

/** A connection tells the statistics at its end, at the latest. */
async function endConnections(): Promise<void> {
  await client.query(
    'SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
}

test('500 replays write nothing: no WAL, no transaction, no row, and leave no dead one', async () => {
  const attempt = await enterRun(engine, { key: keyOf('again') })
  expect(await runPlain(attempt, body)).toBe('sealed')
  await post(rerun, 'again', 'executed')
  const replay = async (): Promise<void> => {
    await replayInEngine('again')
    await post(rerun, 'again', 'replayed')
  }
  // Now what both have counted is there: what follows stays with them for ten seconds.
  await Promise.all([rerun, fail].map(gateway => readStats(gateway.admin)))
  // What is to be cleaned up, in the catalog too, would be by whoever reads it next.
  await endConnections()
  await client.query('VACUUM')
  await replay()
  await store.sweep(1_000)
  const before = await written()
  for (let number = 0; number < 250; number++) await replay()
  // A sweep that finds nothing does not write either.
  await store.sweep(1_000)
  await endConnections()
  expect(await written()).toEqual(before)
})
