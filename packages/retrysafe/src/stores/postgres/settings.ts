import { RetrysafeError } from '../../engine/errors.ts'
import type { PostgresPool } from './database.ts'
import { defaultSchema, readSchemaName } from './schema-name.ts'
import { readStoreUrl } from './store-url.ts'

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:5432/database`; behind `?`, `schema=`, `connections=`, `timeout=` and `listen=`. */
  readonly url?: string
  /** Your own pool of `pg` instead of a URL. `close` does not end it, and it hears no notifications without a `listenUrl`. */
  readonly pool?: PostgresPool
  /** Where `retrysafe migrate` made the tables. Default: `retrysafe`. */
  readonly schema?: string
  /** Connections of this process, besides the one that listens; 1 to 1_000. Default: 10. */
  readonly maxConnections?: number
  /** How long a statement may take, and getting a connection for it, in ms; 100 to 600_000. Default: 5_000. */
  readonly timeoutMs?: number
  /** PostgreSQL itself, where `url` leads to PgBouncer; `false`: hear no notifications, only poll. Default: `url`. */
  readonly listenUrl?: string | false
}

/** What is in force. */
export interface Settings {
  readonly connectionString: string
  readonly schema: string
  readonly maxConnections: number
  readonly timeoutMs: number
  readonly listenConnectionString: string | undefined
  readonly pool?: PostgresPool
}

/** @throws {RetrysafeError} `CONFIG_INVALID` */
export function readSettings(options: PostgresStoreOptions): Settings {
  const { url, pool, listenUrl } = options
  if ((url === undefined) === (pool === undefined)) throw invalid('it takes a url or a pool')
  const said = url === undefined ? undefined : readStoreUrl(url)
  const listen = listenUrl ?? said?.listenConnectionString ?? said?.connectionString
  return {
    connectionString: said?.connectionString ?? '',
    schema: readSchemaName(options.schema ?? said?.schema ?? defaultSchema),
    maxConnections: within('maxConnections', options.maxConnections ?? said?.maxConnections ?? 10, 1, 1_000),
    timeoutMs: within('timeoutMs', options.timeoutMs ?? said?.timeoutMs ?? 5_000, 100, 600_000),
    listenConnectionString:
      listen === undefined || listen === false ? undefined : readStoreUrl(listen).connectionString,
    ...(pool !== undefined && { pool }),
  }
}

function within(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid(`${name} takes a whole number from ${least} to ${most}, not ${value}`)
}

function invalid(reason: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', `the PostgreSQL store: ${reason}`)
}
