import { startTcpProxy, type TcpProxy } from '../tcp-proxy.ts'
import { clusterUrl, type RedisCluster } from './cluster.ts'
import { type ClusterNode, viewOf } from './cluster-node.ts'
import { waitUntil } from './condition.ts'

/** A proxy before each node of a cluster; clients that learn of the nodes from the cluster learn of the proxies. */
export interface ClusterProxies {
  /** The cluster's URL with the proxies in it. */
  readonly url: string
  /** In the order of the cluster's nodes. */
  readonly all: readonly TcpProxy[]
  of(node: ClusterNode): TcpProxy
  /** The end of all. The nodes go on to name them. */
  stop(): void
}

/**
 * Starts the proxies and has all nodes announce them, in all their lives from now on; in about two seconds. What the
 * nodes say to each other over their bus goes past the proxies, replication goes through them. All nodes run.
 */
export async function startClusterProxies(cluster: RedisCluster): Promise<ClusterProxies> {
  const { nodes } = cluster
  const pairs = await Promise.all(nodes.map(async node => ({ node, proxy: await startTcpProxy(node) })))
  const all = pairs.map(({ proxy }) => proxy)
  for (const { node, proxy } of pairs) {
    const setting = node.tls ? 'cluster-announce-tls-port' : 'cluster-announce-port'
    await node.execute('CONFIG', 'SET', setting, String(proxy.port))
    await node.execute('CONFIG', 'REWRITE')
  }
  const ports = new Set(all.map(({ port }) => port))
  await waitUntil('all nodes name the proxies and nothing else', async () => {
    const views = await Promise.all(nodes.map(viewOf))
    return views.every(({ ranges }) => ranges.every(range => range.ports.every(port => ports.has(port))))
  })
  await cluster.waitUntilOk()
  return {
    url: clusterUrl(cluster.url, all),
    all,
    of(node) {
      const pair = pairs.find(one => one.node === node)
      if (pair === undefined) throw new Error(`port ${node.port} is no node of this cluster`)
      return pair.proxy
    },
    stop() {
      for (const proxy of all) proxy.stop()
    },
  }
}
