import { RetrysafeError } from '../../engine/errors.ts'
import { type LinkTerms, nodeName, type RedisArgument, type RedisLink, type RedisNode } from './link.ts'
import { whenReady } from './when-ready.ts'

/** As much of `redis` (node-redis) as the store needs: what its `createClient` and `createCluster` give fits as it is. */
export interface NodeRedisClient {
  readonly isOpen: boolean
  on(event: string, listener: (...args: never[]) => void): unknown
  off(event: string, listener: (...args: never[]) => void): unknown
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
  duplicate(options?: object): Subscriber
}
interface ShardNode {
  readonly address: string
}
interface Many extends Subscriber {
  readonly masters: readonly ShardNode[]
  readonly _options?: { defaults?: { keyPrefix?: string }; keyPrefix?: string }
  nodeClient(node: ShardNode): Promise<Single> | Single
  sendCommand(key: string, isReadonly: boolean, args: readonly RedisArgument[], options: object): Promise<unknown>
}

// RESP_TYPES.BLOB_STRING: texts come as they are, whatever the client's own mapping says; and numbers as numbers.
const binary = { typeMapping: { 36: Buffer, 58: Number } }

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
export function linkNodeRedis(client: NodeRedisClient, isOurs: boolean, { troubled }: LinkTerms): RedisLink {
  const many = 'nodeClient' in client ? (client as Many) : undefined
  const single = client as Single
  if (single.options?.keyPrefix || many?._options?.keyPrefix || many?._options?.defaults?.keyPrefix)
    throw new RetrysafeError('CONFIG_INVALID', "the Redis store: use its own prefix instead of the client's keyPrefix")
  client.on('error', troubled)
  const heard = new Map<string, Listener>()
  let subscriber: Promise<Subscriber> | undefined
  let isOver = false

  async function openSubscriber(): Promise<Subscriber> {
    if (many !== undefined) return many
    const opened = single.duplicate({ disableOfflineQueue: false })
    opened.on('error', () => {})
    await opened.connect()
    if (isOver) opened.destroy()
    return opened
  }

  const isReady = (): boolean => (many === undefined ? single.isReady : many.isOpen && many.masters.length > 0)
  const sendTo = (node: Single, args: readonly RedisArgument[]): Promise<unknown> => node.sendCommand(args, binary)
  return {
    isCluster: many !== undefined,
    async connect(withinMs) {
      if (many === undefined) return whenReady(single, isReady, () => beginConnecting(single), withinMs)
      // It tries each node once, and tells how it went.
      if (!isReady() && !many.isOpen) await many.connect()
    },
    send: (key, args) => (many === undefined ? sendTo(single, args) : many.sendCommand(key, false, args, binary)),
    async primaries(): Promise<RedisNode[]> {
      if (many === undefined)
        return [
          { name: nodeName(single.options?.socket), send: (args: readonly RedisArgument[]) => sendTo(single, args) },
        ]
      return many.masters.map(node => ({
        name: node.address,
        send: async (args: readonly RedisArgument[]) => sendTo(await many.nodeClient(node), args),
      }))
    },
    async subscribe(channel, hear) {
      const listener = (): void => hear()
      heard.set(channel, listener)
      subscriber ??= openSubscriber()
      // So that the next one tries again.
      subscriber.catch(() => {
        subscriber = undefined
      })
      await (await subscriber).sSubscribe(channel, listener)
    },
    async unsubscribe(channel) {
      const listener = heard.get(channel)
      heard.delete(channel)
      if (listener !== undefined) await (await subscriber)?.sUnsubscribe(channel, listener)
    },
    reset() {
      // Its sockets have time-outs of their own (socketTimeout).
    },
    async close() {
      isOver = true
      heard.clear()
      const opened = await subscriber?.catch(() => undefined)
      if (opened !== undefined && opened !== client && opened.isOpen) opened.destroy()
      if (!isOurs) return void client.off('error', troubled)
      if (client.isOpen) client.destroy()
    },
  }
}

function beginConnecting(client: Single): void {
  if (!client.isOpen) client.connect().catch(() => {})
}
