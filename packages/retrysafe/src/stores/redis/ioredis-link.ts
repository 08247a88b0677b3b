import { RetrysafeError } from '../../engine/errors.ts'
import { type Corkable, gatherWrites } from './gather.ts'
import { type Emitter, type LinkTerms, nodeName, type RedisArgument, type RedisLink, type RedisNode } from './link.ts'
import { whenReady } from './when-ready.ts'

/** As much of `ioredis` as the store needs: its `Redis` and its `Cluster` fit as they are. */
export interface IoredisClient extends Emitter {
  readonly status: string
  readonly isCluster: boolean
  readonly options: object
  callBuffer(command: string, args: (string | Buffer)[]): Promise<unknown>
  connect(): Promise<void>
  disconnect(reconnect?: boolean): void
}

interface Subscriber extends IoredisClient {
  ssubscribe(channel: string): Promise<unknown>
  sunsubscribe(channel: string): Promise<unknown>
}
interface Single extends Subscriber {
  /** Its socket, once there was one. */
  readonly stream?: Corkable
  readonly options: { host?: string; port?: number; keyPrefix?: string; enableAutoPipelining?: boolean }
  duplicate(options: object): Subscriber
}
interface Many extends Subscriber {
  readonly options: {
    keyPrefix?: string
    enableAutoPipelining?: boolean
    shardedSubscribers?: boolean
    redisOptions?: { keyPrefix?: string }
  }
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
export function linkIoredis(client: IoredisClient, isOurs: boolean, terms: LinkTerms): RedisLink {
  const many = client.isCluster ? (client as Many) : undefined
  const single = client as Single
  if (single.options.keyPrefix || many?.options.redisOptions?.keyPrefix)
    throw new RetrysafeError('CONFIG_INVALID', "the Redis store: use its own prefix instead of ioredis' keyPrefix")
  const duplicate = (options: object): Subscriber => many?.duplicate([], options) ?? single.duplicate(options)
  // Its automatic pipelines lose the name of the command in `callBuffer`: on a connection of our own they are off.
  if (single.options.enableAutoPipelining)
    return linkIoredis(duplicate({ enableAutoPipelining: false, lazyConnect: true }), true, terms)

  const troubled = (error: unknown): void => terms.troubled(error as Error)
  client.on('error', troubled)
  // Of a cluster's single connections, which go on to be made.
  client.on('node error', troubled)
  const heard = new Map<string, () => void>()
  const hear = (channel: unknown): void => heard.get(String(channel))?.()
  // The library writes every command by itself.
  const gather = gatherWrites(() => (many?.nodes('master') ?? [single]).map(({ stream }) => stream))
  let subscriber: Subscriber | undefined
  let isOver = false

  function openSubscriber(): Subscriber {
    const isReady = many?.options.shardedSubscribers === true
    const opened = isReady
      ? many
      : duplicate({
          lazyConnect: false,
          enableOfflineQueue: true,
          ...(many === undefined
            ? { maxRetriesPerRequest: null, autoResubscribe: true }
            : { shardedSubscribers: true }),
        })
    if (opened !== client) opened.on('error', () => {})
    opened.on('smessage', hear)
    return opened
  }

  return {
    isCluster: many !== undefined,
    connect: withinMs =>
      whenReady(
        client,
        () => {
          if (isOver) throw new Error('it was closed')
          return client.status === 'ready'
        },
        () => beginConnecting(client),
        withinMs,
      ),
    send(_key, [command, ...args]) {
      gather()
      return client.callBuffer(String(command), args)
    },
    async primaries(): Promise<RedisNode[]> {
      const nodes = many === undefined ? [single] : many.nodes('master')
      return nodes.map(node => ({
        name: nodeName(node.options),
        send: ([command, ...args]: readonly RedisArgument[]) => node.callBuffer(String(command), args),
      }))
    },
    async subscribe(channel, hint) {
      heard.set(channel, hint)
      subscriber ??= openSubscriber()
      await subscriber.ssubscribe(channel)
    },
    async unsubscribe(channel) {
      heard.delete(channel)
      await subscriber?.sunsubscribe(channel)
    },
    reset() {
      if (isOurs) client.disconnect(true)
    },
    async close() {
      isOver = true
      client.off('error', troubled)
      client.off('node error', troubled)
      const channels = [...heard.keys()]
      heard.clear()
      subscriber?.off('smessage', hear)
      if (isOurs) endQuietly(client)
      if (subscriber === undefined) return
      if (subscriber !== client) return endQuietly(subscriber)
      if (!isOurs) for (const channel of channels) subscriber.sunsubscribe(channel).catch(() => {})
    },
  }
}

/** It goes on to try when the first attempt has failed. */
function beginConnecting(client: IoredisClient): undefined {
  if (client.status === 'wait' || client.status === 'end') client.connect().catch(() => {})
}

/** What it still says while it ends is nobody's any more. */
function endQuietly(client: IoredisClient): void {
  client.on('error', () => {})
  client.disconnect()
}
