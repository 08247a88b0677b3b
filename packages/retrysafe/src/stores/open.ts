import { RetrysafeError } from '../engine/errors.ts'
import type { Store } from '../engine/store.ts'
import { parseSize } from '../protocol/duration.ts'
import { memoryStore } from './memory/store.ts'
import { isRedisUrl } from './redis/store-url.ts'

const forms =
  'lmdb:FOLDER, postgres://USER:PASSWORD@HOST:PORT/DATABASE, redis://USER:PASSWORD@HOST:PORT, redis+cluster://HOST:PORT,HOST:PORT or memory:'

export interface OpenOptions {
  /** Hears what is worth knowing about the server, a sentence each. Default: a warning of the process. */
  readonly warn?: (message: string) => void
  /** Of an LMDB store: as `lmdbStore` has it. */
  readonly maxMappedBytes?: number
}

/**
 * Opens the store that a URL names. Stores that need a peer import it only here, so that nobody pays for another's.
 *
 * `lmdb:FOLDER` takes a relative or an absolute path. `postgres://…` takes, behind `?`, `schema=NAME`, `connections=N`,
 * `timeout=5s`, `listen=HOST:PORT` or `listen=off`, and what `pg` takes. `redis://…`, `rediss://…`, `redis+cluster://…`
 * and `rediss+cluster://…` take `prefix=NAME`, `timeout=5s`, `client=ioredis` or `client=redis`, `evicting=allow` and
 * files for TLS: `ca=`, `cert=`, `key=`. `memory:` takes `?max-entries=N&max-bytes=SIZE`.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` when the URL names no store, and what the store itself throws
 * @example
 * const store = await openStore('lmdb:./retrysafe-data')
 */
export async function openStore(url: string, { warn, maxMappedBytes }: OpenOptions = {}): Promise<Store> {
  switch (readStoreKind(url)) {
    case 'redis': {
      const { redisStore } = await import('./redis/store.ts')
      return redisStore({ url, ...(warn !== undefined && { warn }) })
    }
    case 'lmdb': {
      const { lmdbStore } = await import('./lmdb/store.ts')
      return lmdbStore({ path: readPath(url), ...(maxMappedBytes !== undefined && { maxMappedBytes }) })
    }
    case 'postgres': {
      const { postgresStore } = await import('./postgres/store.ts')
      return postgresStore({ url })
    }
    case 'memory':
      return openMemory(new URL(url))
  }
}

/**
 * What kind of store a URL names. It may hold a password, anywhere: no message shows more of it than its scheme.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`
 */
export function readStoreKind(url: string): 'lmdb' | 'postgres' | 'redis' | 'memory' {
  if (isRedisUrl(url)) return 'redis'
  if (!URL.canParse(url)) throw invalid(`it is no URL; it takes ${forms}`)
  const { protocol } = new URL(url)
  switch (protocol) {
    case 'lmdb:':
      return 'lmdb'
    case 'postgres:':
    case 'postgresql:':
      return 'postgres'
    case 'memory:':
      return 'memory'
    default:
      throw invalid(`no store goes by ${protocol} ; it takes ${forms}`)
  }
}

/** What follows the scheme, letter for letter: a path is no URL, and `%` is a character like any other. */
export function readPath(url: string): string {
  const path = url.trim().slice('lmdb:'.length)
  if (path === '') throw invalid('lmdb: takes a folder, such as lmdb:./retrysafe-data')
  if (/[?#\0]/.test(path)) throw invalid('lmdb: takes a folder and nothing else')
  if (!path.startsWith('//')) return path
  if (!path.startsWith('///')) throw invalid('lmdb: takes a folder of this machine: lmdb:/path or lmdb:///path')
  return path.slice(2)
}

function openMemory(parsed: URL): Store {
  if (parsed.pathname !== '' || parsed.host !== '') throw invalid('memory: takes no path')
  const options: { maxEntries?: number; maxBytes?: number } = {}
  for (const [name, value] of parsed.searchParams) {
    switch (name) {
      case 'max-entries':
        options.maxEntries = positive(name, Number(value))
        break
      case 'max-bytes':
        options.maxBytes = positive(name, parseSize(value))
        break
      default:
        throw invalid(`memory: does not know ${name.slice(0, 40)}; it takes max-entries and max-bytes`)
    }
  }
  return memoryStore(options)
}

function positive(name: string, number: number | undefined): number {
  if (number !== undefined && Number.isSafeInteger(number) && number > 0) return number
  throw invalid(`${name} must be a positive number`)
}

function invalid(reason: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', `the store's URL: ${reason}`)
}
