import { setTimeout as pause } from 'node:timers/promises'
import { postgresStore } from 'retrysafe/stores/postgres'
import { drive } from '../callers.mjs'
import { connections, openDatabase } from '../servers/postgres.mjs'
import { must, newTerms } from './postgres-store.mjs'

const callers = 16

/** A store with so many records, as if each had been claimed and completed `agoMs` ago, with a retention of a day. */
async function openFilled(records, agoMs = 0) {
  const database = await openDatabase()
  await fill(database.pool, records, agoMs)
  const store = postgresStore({ url: database.url, maxConnections: connections })
  const claim = async () => must((await store.claim(newTerms())).kind, 'acquired')
  const close = async () => {
    await store.close()
    await database.close()
  }
  return { ...database, store, claim, close }
}

async function fill(pool, records, agoMs) {
  await pool.query(
    `INSERT INTO retrysafe.record (k, state, fence, owner, attempt, max_attempts, on_crash, sent, taken_over, cancelled,
      raw, canonical, lease_ms, lease_until_ms, cooldown_until_ms, retention_ms, claimed_at_ms, completed_at_ms,
      expires_at_ms, sweep_at_ms, length_bytes, steps, log_day, label)
    SELECT '\\x00' || sha256(convert_to(concat(n, random()), 'UTF8')), 'c', at_ms * 1000, decode(md5(n::text), 'hex'), 1, 3,
      'r', true, false, false, r, r, 30000, at_ms + 30000, 0, 86400000, at_ms, at_ms, at_ms + 86400000,
      at_ms + 86400000, 0, 0, CURRENT_DATE + 3, '{"operation":"default","tenant":"tenant00","key":"order-2026-11-22-000123"}'
    FROM generate_series(1, $1::integer) AS n, (SELECT retrysafe.clock_ms() - $2::bigint) AS t (at_ms),
      (SELECT '\\x00'::bytea || sha256('raw')) AS f (r)`,
    [records, agoMs],
  )
  // No checkpoint: behind one, the first change of each page writes all of it to the WAL, and here are many pages.
  await pool.query('VACUUM ANALYZE retrysafe.record')
}

/** A p50 may grow by so much from a thousand records to many. */
const mostGrowth = 1.3

const amongMany = {
  name: 'postgres claims among many records, p50',
  goal: 1 / mostGrowth,
  beside: 'among 1,000 records',
  async run({ seconds, repeats, records }) {
    const few = await openFilled(1_000)
    const many = await openFilled(records)
    try {
      const runs = []
      for (const { claim } of [few, many]) await drive(claim, callers, seconds * 100)
      for (let repeat = 0; repeat < repeats; repeat++) {
        const bare = await drive(few.claim, callers, seconds * 200)
        const ours = await drive(many.claim, callers, seconds * 200)
        runs.push({ ours, bare, executed: ours.answered, ratio: bare.p50Ms / ours.p50Ms })
      }
      return runs
    } finally {
      await few.close()
      await many.close()
    }
  },
}

/** As often as the engine sweeps while there is much to remove. */
const sweepEveryMs = 50

async function sweepUntil(store, signal) {
  let removed = 0
  while (!signal.aborted) {
    removed += await store.sweep(1_000)
    await pause(sweepEveryMs)
  }
  return removed
}

const whileSweeping = {
  name: 'postgres claims during a sweep, p99',
  goal: 0.5,
  beside: 'without one',
  async run({ seconds, repeats, records }) {
    const filled = await openFilled(records, 2 * 86_400_000)
    const { store, pool, claim, close } = filled
    try {
      const runs = []
      for (let repeat = 0; repeat < repeats; repeat++) {
        const bare = await drive(claim, callers, seconds * 200)
        const ended = new AbortController()
        const sweeping = sweepUntil(store, ended.signal)
        const ours = await drive(claim, callers, seconds * 200)
        ended.abort()
        const removed = await sweeping
        if (removed === 0) throw new Error('nothing was swept')
        runs.push({ ours, bare, executed: removed, ratio: bare.p99Ms / ours.p99Ms })
        await fill(pool, removed, 2 * 86_400_000)
      }
      return runs
    } finally {
      await close()
    }
  },
}

export const postgresScaleRows = [amongMany, whileSweeping]
