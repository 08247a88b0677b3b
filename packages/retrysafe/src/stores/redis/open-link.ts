import { RetrysafeError } from '../../engine/errors.ts'
import { processSurroundings } from '../../engine/surroundings.ts'
import { requirePeer } from '../peer.ts'
import { type IoredisClient, isIoredis, linkIoredis } from './ioredis-link.ts'
import type { LinkTerms, RedisLink } from './link.ts'
import { isNodeRedis, linkNodeRedis, type NodeRedisClient } from './node-redis-link.ts'
import type { Settings } from './settings.ts'
import type { StoreUrl } from './store-url.ts'

/** What the package `ioredis` gives. */
export interface Ioredis {
  readonly Redis: new (options: object) => IoredisClient
  readonly Cluster: new (nodes: readonly object[], options: object) => IoredisClient
}
/** What the package `redis` gives. */
export interface NodeRedis {
  createClient(options: object): NodeRedisClient
  createCluster(options: object): NodeRedisClient
}

const need = 'the Redis store'

/**
 * The way to the server that the settings name. No connection is made yet.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` for a client that is none; `PEER_MISSING`
 */
export function openLink({ url, client, library, timeoutMs }: Settings, terms: LinkTerms): RedisLink {
  if (client !== undefined) {
    const given = Object(client) as object
    if (isIoredis(given)) return linkIoredis(given, false, terms)
    if (isNodeRedis(given)) return linkNodeRedis(given, false, terms)
    throw new RetrysafeError('CONFIG_INVALID', 'the Redis store: client takes one of ioredis 5.4 or redis 5, or newer')
  }
  if (url === undefined) throw new RetrysafeError('CONFIG_INVALID', 'the Redis store: it takes a url or a client')
  return (library ?? installedLibrary()) === 'ioredis'
    ? linkIoredis(openIoredis(requirePeer('ioredis', need) as Ioredis, url, timeoutMs), true, terms)
    : linkNodeRedis(openNodeRedis(requirePeer('redis', need) as NodeRedis, url, timeoutMs), true, terms)
}

function installedLibrary(): 'ioredis' | 'redis' {
  try {
    requirePeer('ioredis', need)
    return 'ioredis'
  } catch (missing) {
    try {
      requirePeer('redis', need)
      return 'redis'
    } catch {
      throw missing
    }
  }
}

const firstPauseMs = 20
const lastPauseMs = 500

function pauseMs(times: number): number {
  return Math.min(firstPauseMs * 2 ** Math.min(times, 10), lastPauseMs) * (0.5 + processSurroundings.random.unit() / 2)
}

/** So long one node of a cluster may be silent when it is asked who the others are: time enough is left to ask those. */
function discoveryMs(nodes: readonly unknown[], timeoutMs: number): number {
  return Math.ceil(timeoutMs / (nodes.length + 1))
}

/** Nothing is kept for later: what cannot be sent fails at once, and the store decides whether it is sent again. */
export function openIoredis({ Redis, Cluster }: Ioredis, url: StoreUrl, timeoutMs: number): IoredisClient {
  const connection = {
    ...credentialsOf(url),
    ...(url.tls !== undefined && { tls: url.tls }),
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // For so long one that is ended waits for the other side, which may not be there any more.
    disconnectTimeout: 100,
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
    })
  }
  return new Cluster(url.nodes, {
    ...quiet,
    redisOptions: connection,
    shardedSubscribers: true,
    clusterRetryStrategy: pauseMs,
    slotsRefreshTimeout: discoveryMs(url.nodes, timeoutMs),
    // It asks one node, and waits for ever if that one is silent. What a cluster that is down answers, each step tells.
    enableReadyCheck: false,
    // The store hears of it, and sends again.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    scaleReads: 'master',
    // Certificates name hosts, not addresses.
    ...(url.tls !== undefined && {
      dnsLookup: (host: string, done: (error: null, address: string) => void) => done(null, host),
    }),
  })
}

export function openNodeRedis(library: NodeRedis, url: StoreUrl, timeoutMs: number): NodeRedisClient {
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
    return library.createClient({ ...connection, ...database, socket: socketOf(node) })
  }
  return library.createCluster({
    rootNodes: url.nodes.map(node => ({
      socket: { ...socketOf(node), socketTimeout: discoveryMs(url.nodes, timeoutMs) },
    })),
    defaults: { ...connection, socket: socketOf(undefined) },
    useReplicas: false,
    // Else one node that is gone holds up everything, until it is back.
    minimizeConnections: true,
    // Version 5 does not know it: there a node that is gone is missed after the time of a step (`reset`).
    topologyRefreshOnReconnectionAttemptStrategy: 500,
  })
}

function credentialsOf({ username, password }: StoreUrl): object {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
}
