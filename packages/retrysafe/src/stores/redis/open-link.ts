import { RetrysafeError } from '../../engine/errors.ts'
import { requirePeer } from '../peer.ts'
import { type IoredisClient, isIoredis, linkIoredis } from './ioredis-link.ts'
import type { LinkTerms, RedisLink } from './link.ts'
import { isNodeRedis, linkNodeRedis, type NodeRedisClient } from './node-redis-link.ts'
import type { Settings } from './settings.ts'
import type { StoreUrl } from './store-url.ts'

interface Ioredis {
  readonly Redis: new (options: object) => IoredisClient
  readonly Cluster: new (nodes: readonly object[], options: object) => IoredisClient
}
interface NodeRedis {
  createClient(options: object): NodeRedisClient
  createCluster(options: object): NodeRedisClient
}

/**
 * The way to the server that the settings name. No connection is made yet.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` for a client that is none; `PEER_MISSING`
 */
export function openLink({ url, client, library, timeoutMs }: Settings, terms: LinkTerms): RedisLink {
  if (client !== undefined) {
    if (isIoredis(client)) return linkIoredis(client, false, terms)
    if (isNodeRedis(client)) return linkNodeRedis(client, false, terms)
    throw new RetrysafeError('CONFIG_INVALID', 'the Redis store: client takes one of ioredis 5.4 or redis 5, or newer')
  }
  if (url === undefined) throw new RetrysafeError('CONFIG_INVALID', 'the Redis store: it takes a url or a client')
  return (library ?? installedLibrary()) === 'ioredis'
    ? linkIoredis(openIoredis(url, timeoutMs), true, terms)
    : linkNodeRedis(openNodeRedis(url, timeoutMs), true, terms)
}

function installedLibrary(): 'ioredis' | 'redis' {
  try {
    requirePeer('ioredis', 'the Redis store')
    return 'ioredis'
  } catch (missing) {
    try {
      requirePeer('redis', 'the Redis store')
      return 'redis'
    } catch {
      throw missing
    }
  }
}

const firstPauseMs = 20
const lastPauseMs = 500

function pauseMs(times: number): number {
  return Math.min(firstPauseMs * 2 ** Math.min(times, 10), lastPauseMs) * (0.5 + Math.random() / 2)
}

/** Nothing is kept for later: what cannot be sent fails at once, and the store decides whether it is sent again. */
function openIoredis(url: StoreUrl, timeoutMs: number): IoredisClient {
  const { Redis, Cluster } = requirePeer('ioredis', 'the Redis store') as Ioredis
  const connection = {
    ...credentialsOf(url),
    ...(url.tls !== undefined && { tls: url.tls }),
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectionName: 'retrysafe',
  }
  const quiet = { lazyConnect: true, enableOfflineQueue: false }
  if (!url.isCluster) {
    const [node] = url.nodes
    return new Redis({
      ...connection,
      ...quiet,
      ...node,
      ...(url.database !== undefined && { db: url.database }),
      retryStrategy: pauseMs,
      // A primary that has become a replica: whoever is there now is found by connecting again.
      reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    })
  }
  return new Cluster(url.nodes, {
    ...quiet,
    redisOptions: connection,
    shardedSubscribers: true,
    clusterRetryStrategy: pauseMs,
    slotsRefreshTimeout: timeoutMs,
    scaleReads: 'master',
    // Certificates name hosts, not addresses.
    ...(url.tls !== undefined && {
      dnsLookup: (host: string, done: (error: null, address: string) => void) => done(null, host),
    }),
  })
}

function openNodeRedis(url: StoreUrl, timeoutMs: number): NodeRedisClient {
  const { createClient, createCluster } = requirePeer('redis', 'the Redis store') as NodeRedis
  const socketOf = (node: { host: string; port: number } | undefined): object => ({
    ...node,
    ...(url.tls !== undefined && { tls: true, ...url.tls }),
    connectTimeout: timeoutMs,
    reconnectStrategy: pauseMs,
  })
  const connection = { ...credentialsOf(url), disableOfflineQueue: true, name: 'retrysafe' }
  if (!url.isCluster) {
    const [node] = url.nodes
    const database = url.database !== undefined && { database: url.database }
    return createClient({ ...connection, ...database, socket: socketOf(node) })
  }
  return createCluster({
    rootNodes: url.nodes.map(node => ({ socket: socketOf(node) })),
    defaults: { ...connection, socket: socketOf(undefined) },
    useReplicas: false,
  })
}

function credentialsOf({ username, password }: StoreUrl): object {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
}
