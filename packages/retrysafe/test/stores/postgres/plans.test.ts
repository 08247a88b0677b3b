import { Client } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import type { Store } from '../../../src/engine/store.ts'
import { postgresStore } from '../../../src/stores/postgres/index.ts'
import { migrate } from '../../../src/stores/postgres/migrate.ts'
import { acquireToken, claimTerms, fingerprintOf, keyOf, piece } from '../../support/store-terms.ts'

const url = await provideDatabase()
await migrate({ url })
const client = new Client({ connectionString: url })
await client.connect()
afterAll(() => client.end())

/** Every step that looks for rows, of several keys at once. */
async function runSteps(store: Store, name: string, width: number): Promise<void> {
  const keys = Array.from({ length: width }, (_, number) => keyOf(`${name} ${number}`))
  const owner = 'a'
  const each = <Answer>(step: (key: (typeof keys)[number]) => Promise<Answer>): Promise<Answer[]> =>
    Promise.all(keys.map(step))
  const tokens = new Map(await each(async key => [key, await acquireToken(store, { key, owner })] as const))
  const tokenOf = (key: string) => tokens.get(keyOf(key)) ?? { fence: 0, owner }
  const watched = store.subscribe(keyOf(`${name} 0`), () => {})
  await each(key => store.renew(key, tokenOf(key), { leaseMs: 30_000, sent: true }))
  await each(key => store.append(key, tokenOf(key), piece(0, 'ab')))
  await each(key => store.read(key, tokenOf(key).fence, 0, 10))
  const step = { id: 'step', input: fingerprintOf('input'), onCrash: 'rerun', maxAttempts: 3 } as const
  await each(key => store.stepStart(key, tokenOf(key), step))
  await each(key => store.stepPut(key, tokenOf(key), { id: 'step', value: Buffer.from('value') }))
  await each(key => store.stepGet(key, 'step'))
  await each(key => store.offer(`pair ${key}`, { key, fence: tokenOf(key).fence, count: 0, ttlMs: 60_000 }))
  await each(key => store.take(`pair ${key}`, { count: 1, owner }))
  // Cut to 1 byte first, which looks for the pieces.
  await each(key => store.complete(key, tokenOf(key), piece(1, 'c')))
  await each(key => store.claim(claimTerms({ key, owner: 'b' })))
  await store.list({ limit: 10 })
  await store.unknown({ limit: 10 })
  await each(key => store.get(key))
  await each(key => store.purge(key, tokenOf(key).fence, { force: false }))
  const again = new Map(await each(async key => [key, await acquireToken(store, { key, owner: 'c' })] as const))
  await each(key => store.release(key, again.get(key) ?? { fence: 0, owner }, { end: 'free', cooldownMs: 0 }))
  await store.count('bucket', { name: 1 }, { source: name, number: width })
  await store.sweep(100)
  watched.close()
}

/** How often each table was read from end to end, and by an index. Upkeep reads log_default, which has hardly any rows. */
async function scans(): Promise<Map<string, { whole: number; byIndex: number }>> {
  const { rows } = await client.query(
    `SELECT relname, seq_scan::int AS whole, idx_scan::int AS "byIndex" FROM pg_stat_user_tables
    WHERE schemaname = 'retrysafe' AND relname NOT IN ('migration', 'meta', 'log_default') ORDER BY relname`,
  )
  return new Map(rows.map(({ relname, ...counts }) => [relname, counts]))
}

// A plan is kept for the life of its connection: one that was made while the tables were small must be right when they
// are large, long before the first ANALYZE.
test('no step ever reads a whole table, not even while there is next to nothing in it', {
  timeout: 60_000,
}, async () => {
  // Making a partition reads it. A connection tells its statistics when it ends, at the latest.
  await eventually(async () => [...(await scans()).values()].some(({ whole }) => whole > 0)).toBe(true)
  const before = await scans()
  const store = postgresStore({ url, maxConnections: 1 })
  // A plan is made anew until it has been used five times.
  for (let round = 0; round < 8; round++) {
    await runSteps(store, `single ${round}`, 1)
    await runSteps(store, `batch ${round}`, 6)
  }
  await store.close()
  await eventually(async () => (await scans()).get('counter_source')?.byIndex).toBeGreaterThanOrEqual(16)
  const after = await scans()
  const used = [...after].filter(([name, { byIndex }]) => byIndex > (before.get(name)?.byIndex ?? 0))
  expect(used.map(([name]) => name.replace(/_\d+$/, ''))).toEqual(
    expect.arrayContaining(['counter_source', 'follow_mark', 'log', 'pair', 'record', 'step', 'unknown']),
  )
  const read = [...after].filter(([name, { whole }]) => whole > (before.get(name)?.whole ?? 0))
  expect(read).toEqual([])
})
