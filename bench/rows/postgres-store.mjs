import { hash, randomBytes } from 'node:crypto'
import { claimValues, pieceValues } from 'retrysafe/internal/stores/postgres/steps'
import { postgresStore } from 'retrysafe/stores/postgres'
import { drive } from '../callers.mjs'
import { connections, openDatabase } from '../servers/postgres.mjs'

const label = { operation: 'default', tenant: 'tenant00', key: 'order-2026-11-22-000123' }
const raw = `1${randomBytes(32).toString('base64url')}`
const body = randomBytes(1_024)

const run = randomBytes(8).toString('hex')
let terms = 0

/** A claim of a new key, as quickly as can be made: it is the same for both. */
export function newTerms() {
  const key = hash('sha256', `${run} ${terms++}`, 'base64url')
  const owner = hash('md5', key, 'base64url')
  return { key, raw, owner, leaseMs: 30_000, retentionMs: 86_400_000, onCrash: 'rerun', maxAttempts: 3, label }
}

/** What the store sends for one claim, by itself. */
async function claimBare(pool, terms) {
  const { rows } = await pool.query(claimText, [...claimValues(terms), 0])
  return { kind: rows[0].kind, token: { fence: rows[0].fence, owner: terms.owner } }
}
const claimText = 'SELECT * FROM retrysafe.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)'
const completeText = 'SELECT * FROM retrysafe.complete($1, $2, $3, $4, $5, $6, false)'
const appendText = 'SELECT * FROM retrysafe.append($1, $2, $3, $4, $5, $6)'

/** A row a statement into a table like the store's own, with what a first claim writes. */
async function insertBare(pool, terms) {
  const values = claimValues(terms)
  const nowMs = Date.now()
  const { rows } = await pool.query(insertText, [...values, nowMs * 1_000, nowMs])
  return { kind: rows.length === 1 ? 'acquired' : 'running' }
}
const bareTable = 'CREATE TABLE bare (LIKE retrysafe.record INCLUDING INDEXES INCLUDING STORAGE) WITH (fillfactor = 50)'
const insertText = `INSERT INTO bare (k, raw, canonical, owner, lease_ms, retention_ms, on_crash, max_attempts, label, fence,
  claimed_at_ms, lease_until_ms, expires_at_ms, sweep_at_ms, cooldown_until_ms, length_bytes, attempt, steps, log_day,
  state, sent, taken_over, cancelled)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::bigint, $11 + 30000, $11 + 86430000, $11 + 86430000, 0, 0, 1, 0,
  CURRENT_DATE, 'r', true, false, false)
  ON CONFLICT (k) DO NOTHING RETURNING fence`

/**
 * Ours and the bare client's in turn, each with as many connections, so that a machine that slows down slows both.
 *
 * @param prepare gets the store and a bare pool; answers `ours`, `bare`: what each caller does again and again, by number
 */
function row(name, { callers, goal, beside, prepare }) {
  return {
    name: `postgres ${name}, ${callers} ${callers === 1 ? 'caller' : 'callers'}`,
    goal,
    beside,
    async run({ seconds, repeats }) {
      const forMs = seconds * 200
      const database = await openDatabase()
      const { pool } = database
      const store = postgresStore({ url: database.url, maxConnections: connections })
      try {
        const { ours, bare } = await prepare({ store, pool })
        for (const call of [bare, ours]) await drive(call, callers, Math.min(forMs, 500))
        const runs = []
        for (let repeat = 0; repeat < repeats; repeat++) {
          const other = await drive(bare, callers, forMs)
          const before = await countRecords(pool)
          const own = await drive(ours, callers, forMs)
          const executed = (await countRecords(pool)) - before
          runs.push({ ours: own, bare: other, executed, ratio: own.perSecond / other.perSecond })
        }
        return runs
      } finally {
        await store.close()
        await database.close()
      }
    },
  }
}

/** Each is one execution. */
export async function countRecords(pool) {
  return (await pool.query('SELECT count(*)::int AS count FROM retrysafe.record')).rows[0].count
}

export function must(is, wanted) {
  if (is !== wanted) throw new Error(`${is} instead of ${wanted}`)
}

async function claims({ store, pool }) {
  await pool.query(bareTable)
  return {
    ours: async () => must((await store.claim(newTerms())).kind, 'acquired'),
    bare: async () => must((await insertBare(pool, newTerms())).kind, 'acquired'),
  }
}

async function claimsByFunction({ store, pool }) {
  return {
    ours: async () => must((await store.claim(newTerms())).kind, 'acquired'),
    bare: async () => must((await claimBare(pool, newTerms())).kind, 'acquired'),
  }
}

const outcome = { offsetBytes: 0, bytes: body, canonical: raw }

async function firstCallOf(store) {
  const terms = newTerms()
  const { token } = await store.claim(terms)
  must(await store.complete(terms.key, token, outcome), 'ok')
  return terms
}

async function firstCalls({ store, pool }) {
  return {
    ours: () => firstCallOf(store),
    async bare() {
      const terms = newTerms()
      const { token } = await claimBare(pool, terms)
      const { rows } = await pool.query(completeText, pieceValues({ key: terms.key, token, piece: outcome }))
      must(rows[0].kind, 'ok')
    },
  }
}

const replayKeys = 1_000

async function replays({ store, pool }) {
  const known = await Promise.all(Array.from({ length: replayKeys }, () => firstCallOf(store)))
  let number = 0
  const next = () => ({ ...newTerms(), key: known[number++ % replayKeys].key })
  return {
    async ours() {
      const answer = await store.claim(next())
      must(answer.kind === 'completed' && answer.log.bytes.length, body.length)
    },
    async bare() {
      const { rows } = await pool.query(claimText, [...claimValues(next()), 0])
      must(rows[0].bytes.length, body.length)
    },
  }
}

/** As many streams as there can be callers, each of which gets pieces of 1 KiB. */
async function appends({ store, pool }) {
  const free = []
  const stream = async () => {
    const terms = newTerms()
    const { token } = await store.claim(terms)
    return { key: terms.key, token, offsetBytes: 0 }
  }
  const withStream = async append => {
    const own = free.pop() ?? (await stream())
    await append(own)
    own.offsetBytes += body.length
    free.push(own)
  }
  return {
    ours: () =>
      withStream(async ({ key, token, offsetBytes }) => {
        must((await store.append(key, token, { offsetBytes, bytes: body })).kind, 'ok')
      }),
    bare: () =>
      withStream(async ({ key, token, offsetBytes }) => {
        const piece = { offsetBytes, bytes: body }
        const { rows } = await pool.query(appendText, pieceValues({ key, token, piece }))
        must(rows[0].kind, 'ok')
      }),
  }
}

const inserts = 'one INSERT a statement, bare pg'
const functions = 'the same functions, bare pg'

export const postgresStoreRows = [
  row('claims', { callers: 1, goal: 0.9, beside: inserts, prepare: claims }),
  row('claims', { callers: 64, goal: 5, beside: inserts, prepare: claims }),
  row('claims', { callers: 256, goal: 7, beside: inserts, prepare: claims }),
  row('claims by function', { callers: 64, goal: 1, beside: functions, prepare: claimsByFunction }),
  row('first calls', { callers: 1, goal: 0.9, beside: functions, prepare: firstCalls }),
  row('first calls', { callers: 64, goal: 1, beside: functions, prepare: firstCalls }),
  row('replays', { callers: 64, goal: 1, beside: functions, prepare: replays }),
  row('appends of 1 KiB', { callers: 64, goal: 1, beside: functions, prepare: appends }),
]
