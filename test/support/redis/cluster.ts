import type { Place } from '../place.ts'
import { type ClusterNode, startNode, viewOf } from './cluster-node.ts'
import { fieldOf, waitUntil } from './condition.ts'
import type { RedisOptions } from './server.ts'
import { beginSlotMove, type SlotMove } from './slot-move.ts'

export interface ClusterOptions extends RedisOptions {
  /** 3 unless it is named here; one alone is a cluster too. */
  readonly primaries?: number
  /** 0 unless it is named here. */
  readonly replicasEach?: number
}

/**
 * A cluster of a test's own. Each node may be stopped, killed and started like any other server; a primary that has
 * started serves nothing for two seconds (`waitUntilOk`).
 */
export interface RedisCluster {
  /** `redis+cluster://` or `rediss+cluster://`, with the password and all nodes. */
  readonly url: string
  /** Those that began as primaries; each has its share of the slots, in order. */
  readonly primaries: readonly ClusterNode[]
  /** Those that began as replicas: number i follows primary number `i % primaries`. */
  readonly replicas: readonly ClusterNode[]
  /** The primaries, then the replicas. */
  readonly nodes: readonly ClusterNode[]
  slotOf(key: string): Promise<number>
  /** The primary that has a key's slot now, as a running node sees it. */
  nodeOf(key: string): Promise<ClusterNode>
  /** Moves a slot with its keys; resolves when all running nodes know. */
  moveSlot(slot: number, from: ClusterNode, to: ClusterNode): Promise<void>
  /** The same, to be stopped half-way. */
  beginMove(slot: number, from: ClusterNode, to: ClusterNode): Promise<SlotMove>
  /** Resolves when all running nodes agree that running primaries have all slots. */
  waitUntilOk(): Promise<void>
  /** The end of all nodes and their data. */
  discard(): Promise<void>
}

const slots = 16_384

/**
 * Starts a cluster whose nodes are servers as `startRedis` makes them, in about three seconds, of which Redis takes two.
 * A primary that was killed is missed, and its replica in its place, in four to five.
 *
 * @throws {Error} as `startRedis` does; or the nodes did not come together within 30 s
 * @example
 * const cluster = await startRedisCluster()
 * afterAll(() => cluster.discard())
 * await cluster.moveSlot(await cluster.slotOf('a'), await cluster.nodeOf('a'), other)
 */
export async function startRedisCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const { primaries: count = 3, replicasEach = 0, ...ofNode } = options
  const started = await Promise.allSettled(Array.from({ length: count * (1 + replicasEach) }, () => startNode(ofNode)))
  const nodes = started.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
  const [primaries, replicas] = [nodes.slice(0, count), nodes.slice(count)]
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason
    await shareSlots(primaries)
    await introduce(nodes)
    await Promise.all(replicas.map((replica, index) => follow(replica, primaries[index % count]?.id ?? '')))
    await waitUntil('all nodes of the cluster know each other', () => areServed(nodes, 1 + replicasEach))
  } catch (error) {
    await discardAll(nodes)
    throw error
  }
  return describeCluster(primaries, replicas)
}

function describeCluster(primaries: readonly ClusterNode[], replicas: readonly ClusterNode[]): RedisCluster {
  const nodes = [...primaries, ...replicas]
  const running = (): ClusterNode[] => nodes.filter(({ pid }) => pid !== undefined)
  const slotOf = async (key: string): Promise<number> =>
    Number(await someOf(running()).execute('CLUSTER', 'KEYSLOT', key))
  const beginMove = async (slot: number, from: ClusterNode, to: ClusterNode): Promise<SlotMove> => {
    const move = await beginSlotMove(slot, from, to)
    return {
      ...move,
      async finish() {
        await move.finish()
        await waitUntil(`all nodes know who has slot ${slot}`, () => allSay(running(), slot, to.id))
      },
    }
  }
  return {
    url: clusterUrl(someOf(nodes).url, nodes),
    primaries,
    replicas,
    nodes,
    slotOf,
    async nodeOf(key) {
      const [slot, asked] = [await slotOf(key), someOf(running())]
      const id = await ownerOf(asked, slot)
      const node = nodes.find(one => one.id === id)
      if (node === undefined) throw new Error(`slot ${slot} has no node that the one on port ${asked.port} knows of`)
      return node
    },
    beginMove,
    moveSlot: async (slot, from, to) => (await beginMove(slot, from, to)).finish(),
    waitUntilOk: () => waitUntil('all slots are served', () => areServed(running(), 1)),
    discard: () => discardAll(nodes),
  }
}

/** The URL of a node or of a cluster, as that of a cluster at these places. */
export function clusterUrl(url: string, places: readonly Place[]): string {
  const list = places.map(({ host, port }) => `${host}:${port}`).join(',')
  return url.replace(/^(rediss?)(\+cluster)?:/, '$1+cluster:').replace(/[^@/]+$/, list)
}

/** Equal shares, and an epoch for each: nodes with the same one would have to settle that first. */
async function shareSlots(primaries: readonly ClusterNode[]): Promise<void> {
  const from = (index: number): number => Math.floor((slots * index) / primaries.length)
  const share = async (node: ClusterNode, index: number): Promise<void> => {
    await node.execute('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
    await node.execute('CLUSTER', 'ADDSLOTSRANGE', String(from(index)), String(from(index + 1) - 1))
  }
  await Promise.all(primaries.map(share))
}

/** Each to each: to hear of one another by gossip takes seconds. */
async function introduce(nodes: readonly ClusterNode[]): Promise<void> {
  const meet = (node: ClusterNode, { host, port, busPort }: ClusterNode): Promise<unknown> =>
    node.execute('CLUSTER', 'MEET', host, String(port), String(busPort))
  await Promise.all(nodes.flatMap((node, index) => nodes.slice(index + 1).map(other => meet(node, other))))
}

async function follow(replica: ClusterNode, primaryId: string): Promise<void> {
  // Until it has heard of its primary that is an "Unknown node".
  await waitUntil('a replica knows its primary', async () => {
    return (await replica.execute('CLUSTER', 'REPLICATE', primaryId)) === 'OK'
  })
  await waitUntil('a replica follows its primary', async () => {
    return fieldOf(await replica.execute('INFO', 'replication'), 'master_link_status') === 'up'
  })
}

/** By running primaries, and with so many nodes for each slot at least, as all of `nodes` see it. */
async function areServed(nodes: readonly ClusterNode[], nodesEach: number): Promise<boolean> {
  const running = new Set(nodes.map(({ id }) => id))
  for (const node of nodes) {
    const { isOk, ranges } = await viewOf(node)
    const isServed = ranges.every(({ ids: [id = '', ...others] }) => running.has(id) && others.length + 1 >= nodesEach)
    const served = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
    if (!isOk || !isServed || served !== slots) return false
  }
  return true
}

async function allSay(nodes: readonly ClusterNode[], slot: number, id: string): Promise<boolean> {
  const owners = await Promise.all(nodes.map(node => ownerOf(node, slot)))
  return owners.every(owner => owner === id)
}

async function ownerOf(node: ClusterNode, slot: number): Promise<string | undefined> {
  const { ranges } = await viewOf(node)
  return ranges.find(({ first, last }) => first <= slot && slot <= last)?.ids[0]
}

function someOf(nodes: readonly ClusterNode[]): ClusterNode {
  const [node] = nodes
  if (node === undefined) throw new Error('no node of the cluster runs')
  return node
}

async function discardAll(nodes: readonly ClusterNode[]): Promise<void> {
  await Promise.all(nodes.map(node => node.discard()))
}
