import { afterAll, expect, it, vi } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { startRedisCluster } from '../../../../../test/support/redis/cluster.ts'
import type { StoreKey } from '../../../src/engine/record.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { Server } from '../../../src/stores/redis/server.ts'
import { acquire, travel } from './journeys.ts'
import { type Library, libraries } from './libraries.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 })

const cluster = await startRedisCluster({ replicasEach: 1 })
afterAll(() => cluster.discard())

it.each(libraries)('$name asks primaries alone', async library => {
  const store = library.store(cluster.url, 'primaries', 5_000)
  const calls = async (): Promise<string[]> => {
    const infos = await Promise.all(cluster.replicas.map(node => node.execute('INFO', 'commandstats')))
    return infos.flatMap(info => String(info).match(/cmdstat_(evalsha|eval|script\|load):calls=\d+/g) ?? [])
  }
  for (let at = 0; at < 20; at++) await travel(store, `${library.name}-${at}`)
  expect(await calls()).toEqual([])
  await store.close()
})

/** A process on the old primary: what it watches, holds and hears. */
function watch(library: Library, tag: string) {
  const timeoutMs = 5_000
  const server = new Server(troubled => library.link(cluster.url, { troubled, timeoutMs }), {
    timeoutMs,
    surroundings: processSurroundings,
    check: async () => {},
  })
  const store = library.store(cluster.url, `failover-${library.name.replace(' ', '')}`, 5_000)
  const key = `{${tag}}`
  return {
    name: library.name,
    server,
    store,
    look: (): Promise<string> => server.run('meta_init', [key], ['kept']).then(String, () => 'not yet'),
  }
}

it('all find the new primary after a failover, and see the outage', async () => {
  const tag = 'after' as StoreKey
  const primary = await cluster.nodeOf(`{${tag}}`)
  const watchers = libraries.map(library => watch(library, tag))
  const tokens = await Promise.all(watchers.map(({ store }) => acquire(store, tag)))
  const hints = watchers.map(() => 0)
  const subscriptions = watchers.map(({ store }, at) => store.subscribe(tag, () => (hints[at] = (hints[at] ?? 0) + 1)))
  for (const { look, server } of watchers) {
    expect(await look()).toBe('kept')
    expect(server.calmMs).toBe(-1)
  }
  await primary.kill()
  const killedMs = performance.now()
  const figures = await Promise.all(
    watchers.map(async ({ name, look, server, store }) => {
      await vi.waitUntil(async () => (await look()) === 'kept', { timeout: 30_000, interval: 100 })
      const backMs = Math.round(performance.now() - killedMs)
      expect(server.calmMs).toBeGreaterThanOrEqual(0)
      expect(server.calmMs).toBeLessThan(10_000)
      await vi.waitUntil(
        () =>
          travel(store, tag.concat('-failover')).then(
            () => true,
            () => false,
          ),
        {
          timeout: 10_000,
          interval: 100,
        },
      )
      return `${name}: ${backMs} ms`
    }),
  )
  console.info(`a failover until the first answer: ${figures.join(', ')}`)
  for (const [at, { store }] of watchers.entries()) {
    const [before, token] = [hints[at] ?? 0, tokens[at]]
    if (token === undefined) throw new Error('no token')
    // What the replica did not have is brought back.
    expect(['ok', 'resurrected']).toContain(
      await store.complete(tag, token, { offsetBytes: 0, bytes: Buffer.from('done') }),
    )
    await eventually(() => hints[at]).toBeGreaterThan(before)
  }
  for (const subscription of subscriptions) subscription.close()
  await Promise.all(watchers.flatMap(({ store, server }) => [store.close(), server.close()]))
})
