import { createCluster } from 'redis'
import { afterAll, describe, expect, test } from 'vitest'
import { makeAuthority } from '../certificates.ts'
import { eventually } from '../eventually.ts'
import { startRedisCluster } from './cluster.ts'
import type { ClusterNode } from './cluster-node.ts'
import { startClusterProxies } from './cluster-proxies.ts'

const authority = makeAuthority('redis')
const [cluster, withReplicas] = await Promise.all([startRedisCluster(), startRedisCluster({ replicasEach: 1 })])
afterAll(async () => {
  await Promise.all([cluster.discard(), withReplicas.discard()])
})

/** A primary that does not have the key. */
async function otherThan(node: ClusterNode): Promise<ClusterNode> {
  const other = cluster.primaries.find(({ id }) => id !== node.id)
  if (other === undefined) throw new Error('the cluster has one primary')
  return other
}

describe('a cluster', () => {
  test('has three primaries, each with its share of the slots', async () => {
    const ports = cluster.primaries.map(({ port }) => port)
    expect(cluster.url).toBe(`redis+cluster://127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}`)
    const [first, , last] = cluster.primaries
    // The slots of a and b by the specification: CRC16, modulo 16384.
    expect([await cluster.slotOf('a'), await cluster.slotOf('b')]).toEqual([15_495, 3_300])
    expect(await cluster.nodeOf('a')).toBe(last)
    expect(await cluster.nodeOf('b')).toBe(first)
    await expect(first?.execute('GET', 'a')).rejects.toThrow(`MOVED 15495 127.0.0.1:${last?.port}`)
    expect(await last?.execute('SET', 'a', '1')).toBe('OK')
  })

  test('a slot on its way answers ASK and TRYAGAIN, and MOVED in the end', async () => {
    const slot = await cluster.slotOf('b')
    const from = await cluster.nodeOf('b')
    const to = await otherThan(from)
    await from.execute('MSET', '{b}1', 'one', '{b}2', 'two', '{b}3', 'three')
    const move = await cluster.beginMove(slot, from, to)
    expect(await from.execute('GET', '{b}1')).toBe('one')
    await expect(from.execute('GET', '{b}none')).rejects.toThrow(`ASK 3300 127.0.0.1:${to.port}`)
    expect(await move.moveKeys('{b}1')).toBe(1)
    await expect(from.execute('GET', '{b}1')).rejects.toThrow(`ASK 3300 127.0.0.1:${to.port}`)
    await expect(from.execute('MGET', '{b}1', '{b}2')).rejects.toThrow('TRYAGAIN')
    expect(await from.execute('MGET', '{b}2', '{b}3')).toEqual(['two', 'three'])
    await expect(to.execute('GET', '{b}1')).rejects.toThrow(`MOVED 3300 127.0.0.1:${from.port}`)
    expect(await cluster.nodeOf('b')).toBe(from)

    await move.finish()
    expect(await cluster.nodeOf('b')).toBe(to)
    expect(await to.execute('MGET', '{b}1', '{b}2', '{b}3')).toEqual(['one', 'two', 'three'])
    for (const node of cluster.nodes.filter(one => one !== to)) {
      await expect(node.execute('GET', '{b}1')).rejects.toThrow(`MOVED 3300 127.0.0.1:${to.port}`)
    }
  })

  test('moves a slot with more keys than one portion has', async () => {
    const from = await cluster.nodeOf('many')
    const to = await otherThan(from)
    const pairs = Array.from({ length: 250 }, (_, index) => [`{many}${index}`, String(index)])
    await from.execute('MSET', ...pairs.flat())
    await cluster.moveSlot(await cluster.slotOf('many'), from, to)
    expect(await to.execute('CLUSTER', 'COUNTKEYSINSLOT', String(await cluster.slotOf('many')))).toBe(250)
    expect(await to.execute('GET', '{many}249')).toBe('249')
  })

  test('a node that was killed comes back with its data', async () => {
    const node = await cluster.nodeOf('back')
    await node.execute('SET', 'back', 'here')
    await node.kill()
    await node.start()
    await cluster.waitUntilOk()
    expect(await node.execute('GET', 'back')).toBe('here')
  })

  test('with TLS and a password it is entered by both', async () => {
    const guarded = await startRedisCluster({ primaries: 1, password: 's@cret', tls: authority })
    try {
      const [node] = guarded.primaries
      expect(guarded.url).toBe(`rediss+cluster://:s%40cret@127.0.0.1:${node?.port}`)
      expect(await node?.execute('SET', 'a', '1')).toBe('OK')
    } finally {
      await guarded.discard()
    }
  })
})

describe('a cluster with replicas', () => {
  test('they follow, and one takes the place of its primary when that is killed', async () => {
    const [primary, replica] = [withReplicas.primaries[0], withReplicas.replicas[0]]
    if (primary === undefined || replica === undefined) throw new Error('there is none')
    expect(await withReplicas.nodeOf('b')).toBe(primary)
    await primary.execute('SET', 'b', 'kept')
    expect(await primary.execute('WAIT', '1', '5000')).toBe(1)
    await primary.kill()
    await withReplicas.waitUntilOk()
    expect(await withReplicas.nodeOf('b')).toBe(replica)
    expect(await replica.execute('GET', 'b')).toBe('kept')
    await primary.start()
    await eventually(() => primary.execute('ROLE')).toContain('slave')
  })

  test('behind proxies, clients that follow the cluster go through them', async () => {
    const proxies = await startClusterProxies(withReplicas)
    const client = createCluster({ rootNodes: [{ url: proxies.url.replace(/^.*?\/\/(.*?),.*$/, 'redis://$1') }] })
    client.on('error', () => {})
    try {
      await client.connect()
      const owner = await withReplicas.nodeOf('a')
      const before = proxies.of(owner).counts().bytes.client
      await client.set('a', 'x'.repeat(1_000))
      expect(proxies.of(owner).counts().bytes.client - before).toBeGreaterThan(1_000)
      await owner.restart()
      await withReplicas.waitUntilOk()
      const other = withReplicas.primaries[1]
      expect(JSON.stringify(await other?.execute('CLUSTER', 'SLOTS'))).toContain(`${proxies.of(owner).port}`)
      expect(JSON.stringify(await owner.execute('CLUSTER', 'SLOTS'))).not.toContain(`,${owner.port},`)
    } finally {
      client.destroy()
      proxies.stop()
    }
  })
})
