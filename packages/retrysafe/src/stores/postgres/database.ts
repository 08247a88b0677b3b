import { RetrysafeError } from '../../engine/errors.ts'
import { requirePeer } from '../peer.ts'
import { createClient } from './connection.ts'
import { checkSchema } from './schema-check.ts'
import { quoteIdentifier } from './schema-name.ts'
import { isTransient, storeError } from './store-error.ts'

/** As much of a statement as the store needs of a driver. `query_timeout`: ms. */
export interface Statement {
  readonly text: string
  readonly values: unknown[]
  readonly query_timeout?: number
}

/** As much of `pg`'s Pool as the store needs; a pool of yours fits as it is. */
export interface PostgresPool {
  query(statement: Statement): Promise<{ rows: unknown[] }>
  end(): Promise<void>
}

export interface DatabaseTerms {
  readonly connectionString: string
  readonly schema: string
  readonly maxConnections: number
  readonly timeoutMs: number
  /** The caller's own: never ended here. */
  readonly pool?: PostgresPool
}

interface OwnPool extends PostgresPool {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: (client: OwnClient) => void): unknown
}
interface OwnClient {
  on(event: 'error', listener: (error: Error) => void): unknown
  /** What the server said as the connection began; PgBouncer says a number of its own. */
  readonly processID: number | null
  query(statement: Statement): Promise<unknown>
}
interface Driver {
  readonly Pool: new (options: object) => OwnPool
}

/** Asked again so often after a deadlock or a lost snapshot; every step may be sent twice. */
const maxTries = 5
/** Connections that cannot be had for so long may have to be ended by force. */
const endMs = 1_000

/** The connections to one schema. The first statement finds out whether it is a schema of ours. */
export class Database {
  readonly schema: string
  readonly #terms: DatabaseTerms
  readonly #pool: PostgresPool
  #checked: Promise<void> | undefined
  #isClosed = false

  constructor(terms: DatabaseTerms) {
    this.#terms = terms
    this.schema = quoteIdentifier(terms.schema)
    this.#pool = terms.pool ?? openPool(terms)
  }

  /**
   * Runs one statement, which must be safe to send twice.
   *
   * @throws {RetrysafeError} `STORE_UNAVAILABLE`, `STORE_FULL`, `STORE_INCOMPATIBLE`, `REQUEST_INVALID`
   */
  async ask<Row>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      await this.#check()
      for (let tries = 1; ; tries++) {
        try {
          return (await this.#query(text, values)) as Row[]
        } catch (error) {
          if (!isTransient(error) || tries === maxTries) throw error
        }
      }
    } catch (error) {
      const told = storeError(error)
      // Somebody may migrate it meanwhile.
      if (told.code === 'STORE_INCOMPATIBLE') this.#checked = undefined
      throw told
    }
  }

  /** One row of a function of ours, by its arguments. */
  async call<Row>(name: string, values: unknown[]): Promise<Row> {
    const [row] = await this.callMany<Row>(name, values)
    if (row === undefined) throw new RetrysafeError('STORE_INCOMPATIBLE', `PostgreSQL: ${name} gave no answer`)
    return row
  }

  callMany<Row>(name: string, values: unknown[]): Promise<Row[]> {
    const places = values.map((_, index) => `$${index + 1}`).join(', ')
    return this.ask(`SELECT * FROM ${this.schema}.${name}(${places})`, values)
  }

  /** The rows of a function that answers to several requests, in the order of the requests. */
  async callInOrder<Row>(name: string, values: unknown[]): Promise<Row[]> {
    const rows = await this.callMany<Row & { ord: number }>(name, values)
    return rows.sort((one, other) => one.ord - other.ord)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#terms.pool !== undefined) return
    const late = new Promise<void>(resolve => setTimeout(resolve, endMs).unref())
    await Promise.race([this.#pool.end().catch(() => {}), late])
  }

  async #query(text: string, values: unknown[]): Promise<unknown[]> {
    if (this.#isClosed) throw new RetrysafeError('STORE_UNAVAILABLE', 'the PostgreSQL store is closed: open a new one')
    const { rows } = await this.#pool.query({ text, values, query_timeout: this.#terms.timeoutMs })
    return rows
  }

  #check(): Promise<void> | undefined {
    this.#checked ??= this.#checkOnce()
    return this.#checked
  }

  async #checkOnce(): Promise<void> {
    try {
      const query = async (text: string, values: readonly unknown[]) => ({ rows: await this.#query(text, [...values]) })
      await checkSchema(query, this.#terms.schema)
    } catch (error) {
      this.#checked = undefined
      throw error
    }
  }
}

function openPool({ connectionString, maxConnections, timeoutMs }: DatabaseTerms): OwnPool {
  // The pool would find out with its first connection only.
  createClient(connectionString, timeoutMs)
  const { Pool } = requirePeer('pg', 'the PostgreSQL store') as Driver
  const pool = new Pool({
    connectionString,
    max: maxConnections,
    connectionTimeoutMillis: timeoutMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'retrysafe',
    // A process that has nothing else to do may end.
    allowExitOnIdle: true,
    verify: (client: OwnClient, done: (error?: unknown) => void) => beginSession(client, timeoutMs).then(done, done),
  })
  // A connection that breaks while nobody uses it: the pool has dropped it already.
  pool.on('error', () => {})
  // The pool hears its clients only while they are idle, and not during `verify`: unheard, the event ends the process.
  pool.on('connect', client => client.on('error', () => {}))
  return pool
}

/**
 * Whatever the role or the database sets: numbers come with all their digits, NULL in an array is NULL, and functions of
 * other schemas are not taken for the server's. And a statement that outlives its caller would go on holding its row.
 * Only where the session is ours alone: behind PgBouncer a setting would stay for whoever gets the connection next.
 */
async function beginSession(client: OwnClient, timeoutMs: number): Promise<void> {
  const text = `SELECT set_config('statement_timeout', $1, false), set_config('extra_float_digits', '1', false),
    set_config('array_nulls', 'on', false), set_config('search_path', '', false) WHERE pg_backend_pid() = $2`
  await client.query({ text, values: [String(timeoutMs), client.processID], query_timeout: timeoutMs })
}
