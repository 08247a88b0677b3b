import { Pool } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'

/** Every table of ours but the list of migrations. */
const tables = [
  'record',
  'log',
  'step',
  'unknown',
  'follow_mark',
  'pair',
  'counter',
  'counter_source',
  'meta',
  'inbox',
] as const

/** A time that stands still until a test moves it; for all schemas of one database. */
export interface ManualClock {
  pass(ms: number): Promise<void>
  setMs(ms: number): Promise<void>
}

/** Schemas of one database, each with an empty store. Many tests use one after the other: making one takes a while. */
export interface Schemas {
  /** An empty store's URL. */
  take(): Promise<string>
  /** It may be emptied and taken again. */
  give(url: string): void
  /** Connections of the tests' own, to the database itself. */
  readonly pool: Pool
  /** Only with `manual`. */
  readonly clock: ManualClock
  close(): Promise<void>
}

/**
 * @param url of the database, directly
 * @param options `storeUrl`: how stores reach it, if not directly; `manualMs`: the clock stands still there
 */
export async function openSchemas(
  url: string,
  { storeUrl = url, manualMs }: { storeUrl?: string; manualMs?: number } = {},
): Promise<Schemas> {
  const pool = new Pool({ connectionString: url, max: 4 })
  // The server may end before the file does.
  pool.on('error', () => {})
  const free: string[] = []
  let made = 0
  if (manualMs !== undefined) {
    await pool.query(`CREATE TABLE manual_clock (us bigint NOT NULL)`)
    await pool.query('INSERT INTO manual_clock VALUES ($1)', [manualMs * 1_000])
  }

  async function make(): Promise<string> {
    const schema = `store_${++made}`
    await migrate({ url, schema })
    if (manualMs !== undefined) {
      await pool.query(
        `CREATE OR REPLACE FUNCTION ${schema}.clock_us() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT us FROM public.manual_clock';
        CREATE OR REPLACE FUNCTION ${schema}.up_since_ms() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 0::bigint'`,
      )
    }
    return schema
  }

  return {
    pool,
    async take() {
      const schema = free.pop() ?? (await make())
      await pool.query(tables.map(table => `DELETE FROM ${schema}.${table}`).join(';'))
      const its = new URL(storeUrl)
      its.searchParams.set('schema', schema)
      return its.href
    },
    give(itsUrl) {
      free.push(new URL(itsUrl).searchParams.get('schema') ?? '')
    },
    clock: {
      async pass(ms) {
        await pool.query('UPDATE manual_clock SET us = us + $1', [Math.round(ms * 1_000)])
      },
      async setMs(ms) {
        await pool.query('UPDATE manual_clock SET us = $1', [Math.round(ms * 1_000)])
      },
    },
    close: () => pool.end(),
  }
}
