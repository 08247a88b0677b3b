import { RetrysafeError } from '../../engine/errors.ts'
import { parseDuration } from '../../protocol/duration.ts'
import { readSchemaName } from './schema-name.ts'

/** What a store's URL says. */
export interface StoreUrl {
  /** For the driver: without what is ours. */
  readonly connectionString: string
  readonly schema?: string
  readonly maxConnections?: number
  readonly timeoutMs?: number
  /** `false`: no LISTEN at all. */
  readonly listenConnectionString?: string | false
}

/** What the driver may be told in a URL. */
const driverParameters = [
  'host',
  'ssl',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslnegotiation',
  'uselibpqcompat',
  'application_name',
  'options',
] as const

/**
 * Reads `postgres://user:password@host:port/database` and, behind `?`, what is ours: `schema=NAME`, `connections=N`,
 * `timeout=5s`, `listen=HOST:PORT` (where PostgreSQL itself is, when the URL leads to PgBouncer) or `listen=off`.
 * The driver's own are `sslmode`, `sslrootcert`, `application_name` and a few more; an unknown one is refused.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`; the message never shows the URL, which may hold a password
 */
export function readStoreUrl(text: string): StoreUrl {
  if (!URL.canParse(text)) throw invalid('it is no URL')
  const url = new URL(text)
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')
    throw invalid('it does not begin with postgres://')
  if (url.hostname === '' && !url.searchParams.has('host')) throw invalid('it names no host')
  if (url.pathname.length < 2) throw invalid('it names no database: postgres://user@host:5432/DATABASE')
  if (/%(?![0-9a-f]{2})/i.test(`${url.username}${url.password}${url.pathname}`))
    throw invalid('a % in it is to be written %25')
  const ours = (name: string): string | undefined => {
    const values = url.searchParams.getAll(name)
    if (values.length > 1) throw invalid(`${name} is given twice`)
    url.searchParams.delete(name)
    return values[0]
  }
  const schema = ours('schema')
  const connections = ours('connections')
  const timeout = ours('timeout')
  const listen = ours('listen')
  // Overlooked, a misspelt `schema` would be another store.
  const unknown = [...url.searchParams.keys()].find(name => !driverParameters.some(known => known === name))
  if (unknown !== undefined) throw invalid(`does not know ${unknown.slice(0, 40)}; it takes ${parameters}`)
  return {
    connectionString: url.href,
    ...(schema !== undefined && { schema: readSchemaName(schema) }),
    ...(connections !== undefined && { maxConnections: readConnections(connections) }),
    ...(timeout !== undefined && { timeoutMs: readTimeout(timeout) }),
    ...(listen !== undefined && { listenConnectionString: readListen(url, listen) }),
  }
}

const parameters = ['schema', 'connections', 'timeout', 'listen', ...driverParameters].join(', ')

function readConnections(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= 1_000) return count
  throw invalid('connections takes a whole number from 1 to 1000')
}

function readTimeout(text: string): number {
  const timeoutMs = parseDuration(text) ?? 0
  if (timeoutMs >= 100 && timeoutMs <= 600_000) return timeoutMs
  throw invalid('timeout takes a duration from 100ms to 10m')
}

function readListen(url: URL, text: string): string | false {
  if (text === 'off') return false
  const place = /^(?<host>[\w.-]+|\[[0-9a-f:]+\]):(?<port>\d{1,5})$/i.exec(text)?.groups
  if (place === undefined || Number(place.port) > 65_535) throw invalid('listen takes HOST:PORT or off')
  const direct = new URL(url)
  direct.hostname = place.host ?? ''
  direct.port = place.port ?? ''
  return direct.href
}

function invalid(reason: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', `the store's URL: ${reason}`)
}
