import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster } from 'redis'
import { withSupport } from './support.mjs'

const servers = new Map()

/**
 * An empty server of the bench's own, or a cluster of three, with an append-only file that is synced before each answer.
 * It is started at the first call, as the tests start theirs, and goes with the bench.
 *
 * @param kind `single`, `cluster`, or `second`: another single one
 */
export async function openServer(kind) {
  if (!servers.has(kind)) servers.set(kind, start(kind))
  const server = await servers.get(kind)
  const nodes = server.primaries ?? [server]
  const executeAll = (...command) => Promise.all(nodes.map(node => node.execute(...command)))
  await executeAll('FLUSHALL')
  return {
    url: server.url,
    places: nodes.map(({ host, port }) => ({ host, port })),
    execute: nodes[0].execute,
    executeAll,
    /** How many records there are. */
    async countKeys() {
      return (await executeAll('DBSIZE')).reduce((sum, size) => sum + Number(size), 0)
    },
  }
}

function start(kind) {
  if (kind === 'cluster') return withSupport('redis/cluster.ts', ({ startRedisCluster }) => startRedisCluster())
  return withSupport('redis/server.ts', ({ startRedis }) => startRedis())
}

/**
 * A bare client with its own defaults, as its users have it.
 *
 * @param library `ioredis` or `redis`
 * @returns {Promise<{ client: unknown, send: (key: string, args: (string | Buffer)[]) => Promise<unknown>, close(): void }>}
 *   `send`: a command to the node that has the key; texts come as Buffers
 */
export async function openClient(library, { places, url }) {
  const isCluster = places.length > 1
  if (library === 'ioredis') {
    const client = isCluster ? new Cluster(places) : new Redis(url)
    const send = (_key, [command, ...args]) => client.callBuffer(command, args)
    return { client, send, close: () => client.disconnect() }
  }
  const client = isCluster ? createCluster({ rootNodes: places.map(socket => ({ socket })) }) : createClient({ url })
  await client.connect()
  const options = { typeMapping: { 36: Buffer } }
  const send = isCluster
    ? (key, args) => client.sendCommand(key, false, args, options)
    : (_key, args) => client.sendCommand(args, options)
  return { client, send, close: () => client.destroy() }
}
