import { RetrysafeError } from '../../engine/errors.ts'
import { type LinkTerms, nodeName, type RedisArgument, type RedisLink, type RedisNode } from './link.ts'
import { whenReady } from './when-ready.ts'

/** As much of `ioredis` as the store needs: its `Redis` and its `Cluster` fit as they are. */
export interface IoredisClient {
  readonly status: string
  readonly isCluster: boolean
  readonly options: object
  on(event: string, listener: (...args: never[]) => void): unknown
  off(event: string, listener: (...args: never[]) => void): unknown
  callBuffer(command: string, args: (string | Buffer)[]): Promise<unknown>
  connect(): Promise<void>
  disconnect(reconnect?: boolean): void
}

interface Subscriber extends IoredisClient {
  ssubscribe(channel: string): Promise<unknown>
  sunsubscribe(channel: string): Promise<unknown>
}
interface Single extends Subscriber {
  readonly options: { host?: string; port?: number; keyPrefix?: string }
  duplicate(options: object): Subscriber
}
interface Many extends Subscriber {
  readonly options: { keyPrefix?: string; shardedSubscribers?: boolean; redisOptions?: { keyPrefix?: string } }
  nodes(role: 'master'): Single[]
  duplicate(startupNodes: never[], options: object): Subscriber
}

export function isIoredis(client: object): client is IoredisClient {
  return typeof Reflect.get(client, 'callBuffer') === 'function'
}

/**
 * The store's way through `ioredis` 5.4 or newer.
 *
 * @param isOurs it was made here, and is ended here
 * @throws {RetrysafeError} `CONFIG_INVALID` for a client with a `keyPrefix`
 */
export function linkIoredis(client: IoredisClient, isOurs: boolean, { troubled }: LinkTerms): RedisLink {
  const many = client.isCluster ? (client as Many) : undefined
  const single = client as Single
  if (single.options.keyPrefix || many?.options.redisOptions?.keyPrefix)
    throw new RetrysafeError('CONFIG_INVALID', "the Redis store: use its own prefix instead of ioredis' keyPrefix")
  client.on('error', troubled)
  const heard = new Map<string, () => void>()
  let subscriber: Subscriber | undefined

  function openSubscriber(): Subscriber {
    const terms = { lazyConnect: false, enableOfflineQueue: true, maxRetriesPerRequest: null, autoResubscribe: true }
    const isReady = many?.options.shardedSubscribers === true
    const opened =
      many === undefined
        ? single.duplicate(terms)
        : isReady
          ? many
          : many.duplicate([], { lazyConnect: false, enableOfflineQueue: true, shardedSubscribers: true })
    opened.on('error', () => {})
    opened.on('smessage', (channel: string) => heard.get(channel)?.())
    return opened
  }

  return {
    isCluster: many !== undefined,
    connect: withinMs =>
      whenReady(
        client,
        () => client.status === 'ready',
        () => beginConnecting(client),
        withinMs,
      ),
    send: (_key, [command, ...args]) => client.callBuffer(String(command), args),
    async primaries(): Promise<RedisNode[]> {
      const nodes = many === undefined ? [single] : many.nodes('master')
      return nodes.map(node => ({
        name: nodeName(node.options),
        send: ([command, ...args]: readonly RedisArgument[]) => node.callBuffer(String(command), args),
      }))
    },
    async subscribe(channel, hear) {
      heard.set(channel, hear)
      subscriber ??= openSubscriber()
      await subscriber.ssubscribe(channel)
    },
    async unsubscribe(channel) {
      heard.delete(channel)
      await subscriber?.sunsubscribe(channel)
    },
    reset() {
      if (isOurs) for (const node of many?.nodes('master') ?? [single]) node.disconnect(true)
    },
    async close() {
      heard.clear()
      client.off('error', troubled)
      if (subscriber !== undefined && subscriber !== client) subscriber.disconnect()
      if (!isOurs) return
      // What it still says while it ends is nobody's any more.
      client.on('error', () => {})
      client.disconnect()
    },
  }
}

function beginConnecting(client: IoredisClient): void {
  if (client.status === 'wait' || client.status === 'end') client.connect().catch(() => {})
}
