import { readFileSync } from 'node:fs'
import { RetrysafeError } from '../../engine/errors.ts'
import { parseDuration } from '../../protocol/duration.ts'

/** What a store's URL says. */
export interface StoreUrl {
  readonly isCluster: boolean
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly username?: string
  readonly password?: string
  /** Not with a cluster. */
  readonly database?: number
  /** Settings for Node's `tls.connect`. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly prefix?: string
  readonly timeoutMs?: number
  readonly library?: 'ioredis' | 'redis'
  readonly allowEviction?: boolean
}

const form =
  /^(?<scheme>redis|rediss|redis\+cluster|rediss\+cluster):\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>[^/?#@]+)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/i

/** Whether a URL is one of Redis; such a one of a cluster is not what `URL` can read. */
export function isRedisUrl(text: string): boolean {
  return /^rediss?(\+cluster)?:/i.test(text)
}

/**
 * Reads `redis://user:password@host:port/database`, `redis+cluster://user:password@host:port,host:port` and, with TLS,
 * `rediss://…` and `rediss+cluster://…`. Behind `?`: `prefix=NAME`, `timeout=5s`, `client=ioredis|redis`,
 * `evicting=allow`, and for TLS `ca=FILE`, `cert=FILE`, `key=FILE`; an unknown one is refused.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`; the message never shows the URL, which may hold a password
 */
export function readStoreUrl(text: string): StoreUrl {
  const parts = form.exec(text.trim())?.groups
  // A password with such letters as they are ends up anywhere behind the host.
  if (parts === undefined || parts.path?.includes('@')) throw formless()
  const scheme = (parts.scheme ?? '').toLowerCase()
  const isCluster = scheme.endsWith('+cluster')
  const parameters = readParameters(parts.query ?? '')
  const tls = readTls(scheme.startsWith('rediss'), parameters)
  const username = decode(parts.user)
  const password = decode(parts.password)
  const database = readDatabase(parts.path ?? '', isCluster)
  const prefix = parameters.get('prefix')
  const timeout = parameters.get('timeout')
  const library = parameters.get('client')
  const evicting = parameters.get('evicting')
  if (library !== undefined && library !== 'ioredis' && library !== 'redis')
    throw invalid('client takes ioredis or redis')
  if (evicting !== undefined && evicting !== 'allow') throw invalid('evicting takes allow')
  const nodes = (parts.hosts ?? '').split(',').map(readPlace)
  if (!isCluster && nodes.length > 1) throw invalid('several hosts are a cluster: redis+cluster://host:port,host:port')
  return {
    isCluster,
    nodes,
    ...(username && { username }),
    ...(password && { password }),
    ...(database !== undefined && { database }),
    ...(tls !== undefined && { tls }),
    ...(prefix !== undefined && { prefix }),
    ...(timeout !== undefined && { timeoutMs: readTimeout(timeout) }),
    ...(library !== undefined && { library }),
    ...(evicting !== undefined && { allowEviction: true }),
  }
}

const known = ['prefix', 'timeout', 'client', 'evicting', 'ca', 'cert', 'key']

/** Overlooked, a misspelt `prefix` would be another store. */
function readParameters(query: string): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name) && `${name}${value}`.includes('@')) throw formless()
    if (!known.includes(name)) throw invalid(`does not know ${name.slice(0, 40)}; it takes ${known.join(', ')}`)
    if (parameters.has(name)) throw invalid(`${name} is given twice`)
    parameters.set(name, value)
  }
  return parameters
}

function readPlace(text: string): { host: string; port: number } {
  const place = /^(?<host>[\w.-]+|\[[0-9a-f:.]+\])(?::(?<port>\d{1,5}))?$/i.exec(text)?.groups
  const port = Number(place?.port ?? 6_379)
  if (place === undefined || port < 1 || port > 65_535)
    throw invalid('a host takes the form name:port, and a port 1 to 65535')
  return { host: (place.host ?? '').replace(/^\[|\]$/g, ''), port }
}

function readDatabase(path: string, isCluster: boolean): number | undefined {
  if (path === '' || path === '/') return undefined
  const number = /^\/(\d{1,5})$/.exec(path)?.[1]
  if (number === undefined) throw invalid('behind the host it takes the number of a database, such as /0')
  if (isCluster && Number(number) !== 0) throw invalid('a cluster has one database, 0')
  return isCluster ? undefined : Number(number)
}

function readTls(isOn: boolean, parameters: Map<string, string>): StoreUrl['tls'] {
  const names = ['ca', 'cert', 'key'] as const
  const files = names.filter(name => parameters.has(name))
  if (!isOn) {
    if (files.length > 0) throw invalid(`${files.join(', ')}: only with TLS, rediss://`)
    return undefined
  }
  if (parameters.has('cert') !== parameters.has('key')) throw invalid('cert and key go together')
  return Object.fromEntries(files.map(name => [name, readFile(name, parameters.get(name) ?? '')]))
}

function readFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw invalid(`the file of ${name} cannot be read: ${(error as Error).message}`)
  }
}

function readTimeout(text: string): number {
  const timeoutMs = parseDuration(text) ?? 0
  if (timeoutMs >= 100 && timeoutMs <= 600_000) return timeoutMs
  throw invalid('timeout takes a duration from 100ms to 10m')
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    throw invalid('a % in it is to be written %25')
  }
}

function formless(): RetrysafeError {
  const forms = 'redis://user:password@host:6379/0 or redis+cluster://host:port,host:port'
  return invalid(`it takes ${forms}, with %40 %2F %3F %23 for @ / ? # in a password`)
}

function invalid(reason: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', `the store's URL: ${reason}`)
}
