import assert from 'node:assert/strict'
import { expect } from 'vitest'
import { acquireToken, fingerprintOf, keyOf } from '../../../packages/retrysafe/test/support/store-terms.ts'
import { type SqlCase, terms, withStore } from './sql-stage.ts'

/** What a clock that starts anew, goes back or goes on changes. */
export const clockCases: readonly SqlCase[] = [
  {
    name: 'after a start nobody’s lease has lapsed before lease and grace, and no running record has expired',
    run: stage =>
      withStore(stage, async store => {
        const { schema, pool, clock } = stage
        const lasts = { leaseMs: 10_000, retentionMs: 60_000 }
        await acquireToken(store, { ...terms('k', 'a'), ...lasts })
        const startMs = (await store.now()) + 100_000
        await clock.setMs(startMs)
        const upSince = (ms: number) =>
          pool.query(
            `CREATE OR REPLACE FUNCTION ${schema}.up_since_ms() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT ${ms}::bigint'`,
          )
        try {
          await upSince(startMs)
          assert.equal((await store.claim(terms('k', 'b'))).kind, 'running')
          await clock.pass(11_999)
          assert.equal((await store.claim(terms('k', 'b'))).kind, 'running')
          assert.equal((await store.get(keyOf('k')))?.state, 'running')
          await clock.pass(1)
          const taken = await store.claim(terms('k', 'b'))
          assert.equal(taken.kind, 'acquired')
        } finally {
          await upSince(0)
        }
      }),
  },
  {
    name: 'the fence rises also for another process, when the clock was set back',
    async run(stage) {
      const first = await withStore(stage, store => acquireToken(store, terms('k', 'a')))
      await withStore(stage, async store => {
        assert.equal(await store.purge(keyOf('k'), first.fence, { force: true }), 'ok')
        await stage.clock.pass(-5_000)
        const second = await acquireToken(store, terms('k', 'b'))
        expect(second.fence).toBe(first.fence + 1)
      })
    },
  },
  {
    name: 'the sweep does not look again at what lives on',
    run: stage =>
      withStore(stage, async store => {
        const { schema, pool, clock } = stage
        const token = await acquireToken(store, { ...terms('k', 'a'), leaseMs: 1_000, retentionMs: 10_000 })
        await clock.pass(9_000)
        await store.renew(keyOf('k'), token, { leaseMs: 1_000 })
        await clock.pass(3_000)
        const sweep = async () => (await pool.query(`SELECT * FROM ${schema}.sweep(10)`)).rows[0]
        assert.deepEqual(await sweep(), { removed: 0, looked: 1 })
        await clock.pass(5_000)
        assert.deepEqual(await sweep(), { removed: 0, looked: 0 })
        await clock.pass(5_000)
        assert.deepEqual(await sweep(), { removed: 1, looked: 1 })
      }),
  },
  {
    name: 'the sweep leaves no step and no name among the unknown behind',
    run: stage =>
      withStore(stage, async store => {
        const { schema, pool, clock } = stage
        const step = { id: 's', input: fingerprintOf('input'), onCrash: 'rerun', maxAttempts: 3 } as const
        const token = await acquireToken(store, terms('stepped', 'a'))
        await store.stepStart(keyOf('stepped'), token, step)
        const unknown = await acquireToken(store, { ...terms('unknown', 'a'), onCrash: 'fail' })
        await store.release(keyOf('unknown'), unknown, { end: 'broken', cooldownMs: 0 })
        const left = async () => {
          const text = `SELECT (SELECT count(*)::int FROM ${schema}.step) AS steps, (SELECT count(*)::int FROM ${schema}.unknown) AS unknown`
          return (await pool.query(text)).rows[0]
        }
        assert.deepEqual(await left(), { steps: 1, unknown: 1 })
        await clock.pass(2 * 86_400_000)
        assert.equal(await store.sweep(10), 2)
        assert.deepEqual(await left(), { steps: 0, unknown: 0 })
      }),
  },
]
