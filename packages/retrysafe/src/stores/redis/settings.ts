import { RetrysafeError } from '../../engine/errors.ts'
import type { IoredisClient } from './ioredis-link.ts'
import type { NodeRedisClient } from './node-redis-link.ts'
import { readStoreUrl, type StoreUrl } from './store-url.ts'

export interface RedisStoreOptions {
  /** `redis://user:password@host:6379/0`, `redis+cluster://host:port,host:port`; with TLS `rediss`. */
  readonly url?: string
  /**
   * Your own client instead of a URL: `Redis` or `Cluster` of `ioredis`, or what `createClient` or `createCluster` of
   * `redis` gives. `close` does not end it.
   */
  readonly client?: IoredisClient | NodeRedisClient
  /** Which library opens the URL. Default: `ioredis` if it is installed, else `redis`. */
  readonly library?: 'ioredis' | 'redis'
  /**
   * All keys of this store begin with it; 1 to 64 letters, digits, `_`, `-`, `.` or `:`, and no `:c`, `:m` or `:o` at its
   * end. Default: `rs`.
   */
  readonly prefix?: string
  /** How long a step may take, its repetitions included, in ms; 100 to 600_000. Default: 5_000. */
  readonly timeoutMs?: number
  /** Runs on a server that may evict records to make room, and with it loses its promise. Default: `false`. */
  readonly allowEviction?: boolean
  /** Hears what is worth knowing about the server, a sentence each. Default: a warning of the process. */
  readonly warn?: (message: string) => void
}

/** What is in force. */
export interface Settings {
  readonly url: StoreUrl | undefined
  readonly client: IoredisClient | NodeRedisClient | undefined
  readonly library: 'ioredis' | 'redis' | undefined
  readonly prefix: string
  readonly timeoutMs: number
  readonly allowEviction: boolean
  readonly warn: (message: string) => void
}

/** @throws {RetrysafeError} `CONFIG_INVALID` */
export function readSettings(options: RedisStoreOptions): Settings {
  const { url, client, warn } = options
  if ((url === undefined) === (client === undefined)) throw invalid('it takes a url or a client')
  const said = url === undefined ? undefined : readStoreUrl(url)
  const prefix = options.prefix ?? said?.prefix ?? 'rs'
  if (!/^[\w.:-]{1,64}$/.test(prefix)) throw invalid('a prefix takes 1 to 64 letters, digits, _, -, . and :')
  // Its records would be counters, values or pairs of the store whose prefix is what stands before that.
  if (/:[cmo]$/.test(prefix)) throw invalid('a prefix must not end in :c, :m or :o')
  const timeoutMs = options.timeoutMs ?? said?.timeoutMs ?? 5_000
  if (!Number.isInteger(timeoutMs) || timeoutMs < 100 || timeoutMs > 600_000)
    throw invalid(`timeoutMs takes a whole number from 100 to 600000, not ${timeoutMs}`)
  return {
    url: said,
    client,
    library: options.library ?? said?.library,
    prefix,
    timeoutMs,
    allowEviction: options.allowEviction ?? said?.allowEviction ?? false,
    warn: warn ?? (message => process.emitWarning(message, 'RetrysafeWarning')),
  }
}

function invalid(reason: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', `the Redis store: ${reason}`)
}
