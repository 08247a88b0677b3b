import { RetrysafeError } from '../../engine/errors.ts'
import { type Emitter, type LinkTerms, nodeName, type RedisArgument, type RedisLink, type RedisNode } from './link.ts'
import { whenReady } from './when-ready.ts'

/** As much of `redis` (node-redis) as the store needs: what its `createClient` and `createCluster` give fits as it is. */
export interface NodeRedisClient extends Emitter {
  readonly isOpen: boolean
  connect(): Promise<unknown>
  destroy(): unknown
}

type Listener = (message: string, channel: string) => void
interface Subscriber extends NodeRedisClient {
  sSubscribe(channel: string, listener: Listener): Promise<unknown>
  sUnsubscribe(channel: string, listener: Listener): Promise<unknown>
}
interface Single extends Subscriber {
  readonly isReady: boolean
  readonly options?: { socket?: { host?: string; port?: number }; keyPrefix?: string }
  sendCommand(args: readonly RedisArgument[], options: object): Promise<unknown>
  duplicate(options?: object): Single
}
interface ShardNode {
  readonly address: string
}
interface Many extends Subscriber {
  /** Since version 6. */
  readonly isReady?: boolean
  readonly masters: readonly ShardNode[]
  readonly _options?: { defaults?: { keyPrefix?: string }; keyPrefix?: string }
  nodeClient(node: ShardNode): Promise<Single> | Single
  sendCommand(key: string, isReadonly: boolean, args: readonly RedisArgument[], options: object): Promise<unknown>
  duplicate(options?: object): Many
}

// RESP_TYPES.BLOB_STRING: texts come as they are, whatever the client's own mapping says; and numbers as numbers.
const typeMapping = { 36: Buffer, 58: Number }

export function isNodeRedis(client: object): client is NodeRedisClient {
  const has = (name: string): boolean => typeof Reflect.get(client, name) === 'function'
  return has('sendCommand') && has('sSubscribe') && has('destroy')
}

/**
 * The store's way through `redis` (node-redis) 5 or newer.
 *
 * @param isOurs it was made here, and is ended here
 * @throws {RetrysafeError} `CONFIG_INVALID` for a client with a `keyPrefix`
 */
export function linkNodeRedis(client: NodeRedisClient, isOurs: boolean, terms: LinkTerms): RedisLink {
  const isCluster = 'nodeClient' in client
  let current = client as Single | Many
  mustHaveNoPrefix(current)
  // Ours keeps no command for later, so that none needs a time-out (and a signal) of its own.
  const options = isOurs ? { typeMapping, timeout: undefined } : { typeMapping }
  const troubled = (error: unknown): void => terms.troubled(error as Error)
  const heard = new Map<string, Listener>()
  let subscriber: Subscriber | undefined
  let isOver = false
  watch(current, troubled)

  function openSubscriber(): Subscriber {
    if (isMany(current)) return current
    const opened = current.duplicate({ disableOfflineQueue: false })
    opened.on('error', () => {})
    opened.connect().catch(() => {})
    return opened
  }

  /** A client that was destroyed may still be on its way to its server: the next one is another. */
  function renew(): void {
    const old = current
    current = old.duplicate()
    unwatch(old, troubled)
    watch(current, troubled)
    endQuietly(old)
    if (subscriber !== undefined && subscriber !== old) endQuietly(subscriber)
    subscriber = undefined
    begin()
  }

  function begin(): void {
    connectOnce(current)
      .then(() => Promise.all([...heard].map(([channel, listener]) => listen(channel, listener))))
      // Steps say what there is to say; beneath a channel one asks from time to time anyway.
      .catch(() => {})
  }

  async function listen(channel: string, listener: Listener): Promise<void> {
    subscriber ??= openSubscriber()
    await subscriber.sSubscribe(channel, listener)
  }

  const sendTo = (node: Single, args: readonly RedisArgument[]): Promise<unknown> => node.sendCommand(args, options)
  return {
    isCluster,
    connect: withinMs =>
      whenReady(
        current,
        () => {
          if (isOver) throw new Error('it was closed')
          return isReady(current)
        },
        () => connectOnce(current),
        withinMs,
      ),
    send(key, args) {
      // That of a cluster was made anew, and no node was there at that moment.
      if (isOurs && !isOver && !current.isOpen) begin()
      return isMany(current) ? current.sendCommand(key, false, args, options) : current.sendCommand(args, options)
    },
    async primaries(): Promise<RedisNode[]> {
      const asked = current
      if (!isMany(asked))
        return [
          { name: nodeName(asked.options?.socket), send: (args: readonly RedisArgument[]) => sendTo(asked, args) },
        ]
      return asked.masters.map(node => ({
        name: node.address,
        send: async (args: readonly RedisArgument[]) => sendTo(await asked.nodeClient(node), args),
      }))
    },
    async subscribe(channel, hear) {
      const listener = (): void => hear()
      heard.set(channel, listener)
      await listen(channel, listener)
    },
    async unsubscribe(channel) {
      const listener = heard.get(channel)
      heard.delete(channel)
      if (listener !== undefined) await subscriber?.sUnsubscribe(channel, listener)
    },
    reset() {
      if (isOurs && !isOver) renew()
    },
    async close() {
      isOver = true
      unwatch(current, troubled)
      const channels = [...heard]
      heard.clear()
      if (isOurs) endQuietly(current)
      if (subscriber === undefined) return
      if (subscriber !== current) return endQuietly(subscriber)
      if (!isOurs)
        for (const [channel, listener] of channels) subscriber.sUnsubscribe(channel, listener).catch(() => {})
    },
  }
}

function isMany(client: Single | Many): client is Many {
  return 'nodeClient' in client
}

function isReady(client: Single | Many): boolean {
  if (!isMany(client)) return client.isReady
  return client.isOpen && (client.isReady ?? client.masters.length > 0)
}

function mustHaveNoPrefix(client: Single | Many): void {
  const prefix = isMany(client)
    ? (client._options?.keyPrefix ?? client._options?.defaults?.keyPrefix)
    : client.options?.keyPrefix
  if (prefix)
    throw new RetrysafeError('CONFIG_INVALID', "the Redis store: use its own prefix instead of the client's keyPrefix")
}

/** The second event is that of a cluster's single connections. */
function watch(client: Emitter, troubled: (error: unknown) => void): void {
  client.on('error', troubled)
  client.on('node-error', troubled)
}

function unwatch(client: Emitter, troubled: (error: unknown) => void): void {
  client.off('error', troubled)
  client.off('node-error', troubled)
}

/** A single one tries for ever, as long as its settings say so; that of a cluster tries each node once. */
async function connectOnce(client: NodeRedisClient): Promise<void> {
  if (!client.isOpen) await client.connect()
}

/** What it still says while it ends is nobody's any more. */
function endQuietly(client: NodeRedisClient): void {
  client.on('error', () => {})
  if (client.isOpen) client.destroy()
}
