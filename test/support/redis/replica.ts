import type { Place } from '../place.ts'
import { startTcpProxy, type TcpProxy } from '../tcp-proxy.ts'
import { fieldOf, waitUntil } from './condition.ts'
import { type RedisOptions, type RedisServer, startRedis } from './server.ts'

/** A primary and its replica: what the one has acknowledged, the other gets a little later, or never. */
export interface RedisPair {
  readonly primary: RedisServer
  readonly replica: RedisServer
  /** Leads to the primary, and to the replica after `promote`: a name that moves, as a failover's clients see it. */
  readonly front: TcpProxy
  /** The URL of `front`. */
  readonly url: string
  /**
   * Puts a proxy between the two: with `delay` and `stall` the replica stays behind as far as a test wants. The replica
   * goes on where it was; resolves when it follows again.
   */
  intercept(): Promise<TcpProxy>
  /** Resolves when the replica has all that the primary had at the call. Both run. */
  waitUntilEven(): Promise<void>
  /**
   * Makes the replica a primary (REPLICAOF NO ONE), whatever it may lack, and leads `front` to it; connections there are
   * cut. The old primary, if it runs, does not hear of it.
   */
  promote(): Promise<RedisServer>
  /** The end of both, of their data and of the proxies. */
  discard(): Promise<void>
}

/**
 * Starts two servers as `startRedis` makes them, the second a replica of the first, in about a second. Replication is
 * direct, and as Redis has it: behind the answers.
 *
 * @param options of both
 * @throws {Error} as `startRedis` does; or the replica did not follow within 30 s
 * @example
 * const pair = await startRedisWithReplica()
 * afterAll(() => pair.discard())
 * const link = await pair.intercept()
 * link.stall('client')
 * await pair.primary.kill()
 * await pair.promote()
 */
export async function startRedisWithReplica(options: RedisOptions = {}): Promise<RedisPair> {
  // A replica has its copy at once: Redis's own waits 5 s for more replicas to come.
  const settings = { 'repl-diskless-sync-delay': 0, ...options.settings }
  const start = (): Promise<RedisServer> => startRedis({ ...options, settings })
  const [primary, replica] = await Promise.all([start(), start()])
  let current = primary
  const proxies: TcpProxy[] = []
  const place: Place = {
    host: primary.host,
    get port() {
      return current.port
    },
  }
  const front = await startTcpProxy(place)
  proxies.push(front)
  const discard = async (): Promise<void> => {
    for (const proxy of proxies) proxy.stop()
    await Promise.all([primary.discard(), replica.discard()])
  }
  try {
    await follow(primary, replica)
  } catch (error) {
    await discard()
    throw error
  }
  return {
    primary,
    replica,
    front,
    url: front.through(primary.url),
    async intercept() {
      const proxy = await startTcpProxy(primary)
      proxies.push(proxy)
      await follow(primary, replica, proxy)
      return proxy
    },
    async waitUntilEven() {
      const wanted = await offsetOf(primary)
      await waitUntil('the replica has what the primary had', async () => (await offsetOf(replica)) >= wanted)
    },
    async promote() {
      await replica.execute('REPLICAOF', 'NO', 'ONE')
      await replica.execute('CONFIG', 'REWRITE')
      current = replica
      front.cut()
      return replica
    },
    discard,
  }
}

/** Also in its later lives. */
async function follow(primary: RedisServer, replica: RedisServer, { host, port }: Place = primary): Promise<void> {
  await replica.execute('REPLICAOF', host, String(port))
  await replica.execute('CONFIG', 'REWRITE')
  await waitUntil('the replica follows its primary', async () => {
    const info = await replica.execute('INFO', 'replication')
    return fieldOf(info, 'master_link_status') === 'up' && fieldOf(info, 'master_port') === String(port)
  })
  await waitUntil('the primary takes it for one that follows', async () => {
    const info = await primary.execute('INFO', 'replication')
    return String(fieldOf(info, 'slave0')).includes('state=online')
  })
}

async function offsetOf(server: RedisServer): Promise<number> {
  const info = await server.execute('INFO', 'replication')
  return Number(fieldOf(info, 'slave_repl_offset') ?? fieldOf(info, 'master_repl_offset'))
}
