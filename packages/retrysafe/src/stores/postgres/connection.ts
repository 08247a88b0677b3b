import { RetrysafeError } from '../../engine/errors.ts'
import { requirePeer } from '../peer.ts'
import { codeOf, storeError } from './store-error.ts'

const connectWithinMs = 5_000
/** Longer than the server gives the longest statement: only for a server, or a way to it, that fell silent. */
const answerWithinMs = 660_000

/** One connection, as `pg` has it: a `Client`, or what a pool's `connect()` gives. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/** One that was made here. */
export interface OwnClient extends PostgresClient {
  /** What the server said as the connection began; PgBouncer says a number of its own. */
  readonly processID: number | null
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: (message: { payload?: string }) => void): unknown
  connect(): Promise<unknown>
  end(): Promise<void>
}
interface Driver {
  readonly Client: new (options: object) => OwnClient
}

/**
 * Does `work` on a connection of its own, which is closed then.
 *
 * @param patienceMs how long it, and a statement, may take at most; default: 5 s, and longer than the server's own limits
 * @throws {RetrysafeError} `CONFIG_INVALID`, `PEER_MISSING`, `STORE_UNAVAILABLE`, and what `work` throws
 */
export async function withConnection<Answer>(
  connectionString: string,
  work: (client: OwnClient) => Promise<Answer>,
  patienceMs: number = answerWithinMs,
): Promise<Answer> {
  const client = createClient(connectionString, patienceMs)
  // A connection that breaks fails its query, too; unheard, the event would end the process.
  client.on('error', () => {})
  try {
    await client.connect().catch((error: unknown) => {
      throw storeError(error)
    })
    return await work(client)
  } finally {
    // Not waited for: a server that does not hang up must not hold us.
    void client.end().catch(() => {})
  }
}

/**
 * A connection that is not made yet; the files that the URL names are read.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, `PEER_MISSING`
 */
export function createClient(connectionString: string, patienceMs: number): OwnClient {
  const { Client } = requirePeer('pg', 'the PostgreSQL store') as Driver
  try {
    return new Client({
      connectionString,
      connectionTimeoutMillis: Math.min(connectWithinMs, patienceMs),
      query_timeout: patienceMs,
      keepAlive: true,
      fallback_application_name: 'retrysafe',
    })
  } catch (error) {
    // Certificates that the URL names are read here. Other messages may quote the URL.
    const why = ['ENOENT', 'EACCES'].includes(codeOf(error)) ? (error as Error).message : 'the driver cannot read it'
    throw new RetrysafeError('CONFIG_INVALID', `the store's URL: ${why}`)
  }
}
