import { startOnFreePort } from '../free-port.ts'
import { fieldOf } from './condition.ts'
import { type RedisOptions, type RedisServer, startRedis } from './server.ts'

/** A server of a cluster. */
export interface ClusterNode extends RedisServer {
  /** Its name in the cluster, 40 hexadecimal digits. */
  readonly id: string
  /** Where the other nodes talk to it. */
  readonly busPort: number
}

/** Slots and the ids of the nodes that have them, the primary first. */
export interface SlotRange {
  readonly first: number
  readonly last: number
  readonly ids: readonly string[]
  /** Of the same nodes, as they announce them to clients. */
  readonly ports: readonly number[]
}

/** What a node knows of its cluster. */
export interface View {
  readonly isOk: boolean
  readonly ranges: readonly SlotRange[]
}

const ofCluster = {
  'cluster-enabled': 'yes',
  // A node that is gone is missed after this; Redis's own is 15 s. Less, and a busy machine looks like a dead one.
  'cluster-node-timeout': 2_000,
  'cluster-announce-ip': '127.0.0.1',
  // A replica has its copy at once: Redis's own waits 5 s for more replicas to come.
  'repl-diskless-sync-delay': 0,
  // CLUSTER SLOTS lists a replica when it has got anything; without a write that is such a ping, Redis's own after 10 s.
  'repl-ping-replica-period': 1,
}

export function startNode(options: RedisOptions): Promise<ClusterNode> {
  // Redis's own bus port is 10000 higher than the other, where systems open outgoing connections.
  return startOnFreePort(async busPort => {
    const settings = { ...ofCluster, ...options.settings, 'cluster-port': busPort }
    const server = await startRedis({ ...options, settings })
    return Object.assign(server, { busPort, id: String(await server.execute('CLUSTER', 'MYID')) })
  })
}

type Range = [first: number, last: number, ...nodes: [host: string, port: number, id: string, ...others: unknown[]][]]

/** @throws {Error} the node does not answer */
export async function viewOf(node: ClusterNode): Promise<View> {
  const ranges = (await node.execute('CLUSTER', 'SLOTS')) as Range[]
  return {
    isOk: fieldOf(await node.execute('CLUSTER', 'INFO'), 'cluster_state') === 'ok',
    ranges: ranges.map(([first, last, ...nodes]) => ({
      first,
      last,
      ids: nodes.map(([, , id]) => id),
      ports: nodes.map(([, port]) => port),
    })),
  }
}
