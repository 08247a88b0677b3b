import { Client, type Pool } from 'pg'
import type { ClaimTerms, Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { postgresStore } from '../../../packages/retrysafe/src/stores/postgres/index.ts'
import { claimTerms, keyOf } from '../../../packages/retrysafe/test/support/store-terms.ts'
import { eventually } from '../../support/eventually.ts'
import type { ManualClock, Schemas } from '../../support/postgres/schemas.ts'

/** An empty store of a case's own, on a clock that it moves, and what is beside it. */
export interface SqlStage {
  readonly url: string
  readonly schema: string
  readonly pool: Pool
  readonly clock: ManualClock
  /** What the server has written to its log. */
  serverLog(): string
  /** Connections that end with the case. */
  readonly clients: Client[]
}

export interface SqlCase {
  readonly name: string
  run(stage: SqlStage): Promise<void>
}

export function terms(name: string, owner: string): ClaimTerms {
  return claimTerms({ key: keyOf(name), owner })
}

/** Steps in a transaction that stays open: other steps meet rows that are locked, or not yet there. */
export class OpenTransaction {
  readonly store: Store
  readonly client: Client

  private constructor(client: Client, schema: string) {
    this.client = client
    const pool = {
      query: ({ text, values }: { text: string; values: unknown[] }) => client.query(text, values),
      end: async () => {},
    }
    this.store = postgresStore({ pool, schema })
  }

  static async begin({ url, schema, clients }: SqlStage): Promise<OpenTransaction> {
    const client = new Client({ connectionString: url })
    clients.push(client)
    await client.connect()
    await client.query('BEGIN')
    return new OpenTransaction(client, schema)
  }

  async end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    await this.client.query(how)
  }
}

/** Runs a case in an empty schema. A case that fails leaves nothing open. */
export async function runSqlCase(sqlCase: SqlCase, schemas: Schemas, serverLog: () => string): Promise<void> {
  const url = await schemas.take()
  const schema = new URL(url).searchParams.get('schema') ?? ''
  const { pool, clock } = schemas
  const clients: Client[] = []
  try {
    await sqlCase.run({ url, schema, pool, clock, serverLog, clients })
  } finally {
    await Promise.all(clients.map(client => client.end()))
    schemas.give(url)
  }
}

export async function withStore<Value>({ url }: SqlStage, body: (store: Store) => Promise<Value>): Promise<Value> {
  const store = postgresStore({ url, listenUrl: false, timeoutMs: 1_500 })
  try {
    return await body(store)
  } finally {
    await store.close()
  }
}

/** Until so many statements on this database wait for somebody's transaction. */
export function whoWaits({ pool }: SqlStage, count: number): Promise<void> {
  const text = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
  return eventually(async () => (await pool.query<{ n: number }>(text)).rows[0]?.n).toBe(count)
}

export function kinds(answers: readonly { kind: string }[]): string[] {
  return answers.map(({ kind }) => kind)
}
