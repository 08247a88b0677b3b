import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { startTcpProxy } from '../../../../../test/support/tcp-proxy.ts'
import type { StoreKey } from '../../../src/engine/record.ts'
import type { Store } from '../../../src/engine/store.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { Server } from '../../../src/stores/redis/server.ts'
import { acquire, startLoad, travel } from './journeys.ts'
import { libraries } from './libraries.ts'

vi.setConfig({ testTimeout: 40_000, hookTimeout: 60_000 })

const server = await startRedis({ settings: { 'busy-reply-threshold': 100 } })
const proxy = await startTcpProxy(server)
const url = proxy.through(server.url)
afterAll(async () => {
  proxy.stop()
  await server.discard()
})

/** The older majors have the contract's tests, the redirections and their clients' own. */
const newest = libraries.filter(({ name }) => /^(ioredis|redis) 6/.test(name))

/** What the libraries leave to the store: all of it is the same with each of them. */
describe.each(newest)('$name', library => {
  let [store, watched]: [Store, Server] = [library.store(url, 'none'), watch()]
  let count = 0

  function watch(place = url): Server {
    const terms = { timeoutMs: 2_000, surroundings: processSurroundings, check: async () => {} }
    return new Server(troubled => library.link(place, { troubled }), terms)
  }
  const look = (): Promise<unknown> => watched.run('clock_ms', ['a'], [])

  beforeEach(async () => {
    count += 1
    store = library.store(url, `reconnect-${library.name.replace(' ', '')}-${count}`)
    watched = watch()
    await Promise.all([store.now(), look()])
    expect(watched.calmMs).toBe(-1)
  })
  afterEach(async () => {
    await Promise.all([store.close(), watched.close()])
  })

  async function expectUnavailable(work: () => Promise<unknown>): Promise<void> {
    const beganMs = performance.now()
    await expect(work()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(performance.now() - beganMs).toBeLessThan(2_600)
  }

  it('a cut connection costs no step, and is no outage', async () => {
    const load = startLoad(store, 'cut')
    for (const goal of [20, 40, 60, 80]) {
      await eventually(() => load.count()).toBeGreaterThan(goal)
      proxy.cut()
      await look()
    }
    await load.stop()
    expect(watched.calmMs).toBe(-1)
  })

  it('a restart costs no step, and is an outage', async () => {
    const direct = watch(server.url)
    await direct.run('clock_ms', ['a'], [])
    const load = startLoad(store, 'restart')
    await eventually(() => load.count()).toBeGreaterThan(20)
    await server.kill()
    const looking = look()
    // Nobody listens any more; behind a proxy it looks like cut connections, until it has lasted.
    await eventually(() => direct.calmMs).toBeGreaterThanOrEqual(0)
    await eventually(() => watched.calmMs).toBeGreaterThanOrEqual(0)
    await server.start()
    await looking
    const before = load.count()
    await eventually(() => load.count()).toBeGreaterThan(before + 20)
    await load.stop()
    await direct.close()
  })

  it('scripts that were flushed are loaded again', async () => {
    const load = startLoad(store, 'flushed')
    for (const goal of [20, 40, 60, 80]) {
      await eventually(() => load.count()).toBeGreaterThan(goal)
      await server.execute('SCRIPT', 'FLUSH')
    }
    await load.stop()
  })

  it('a server that stands still for less than the time is waited for', async () => {
    const load = startLoad(store, 'short')
    await eventually(() => load.count()).toBeGreaterThan(20)
    server.pause()
    const looking = look()
    await new Promise(resolve => processSurroundings.timers.after(500, () => resolve(undefined)))
    server.resume()
    await looking
    await load.stop()
    expect(load.longestMs()).toBeGreaterThan(400)
    expect(watched.calmMs).toBe(-1)
  })

  it('one that stands still for more is out of reach, within the time, and back afterwards', async () => {
    const token = await acquire(store, 'long')
    const { connections } = proxy.counts()
    server.pause()
    try {
      await Promise.all([
        expectUnavailable(look),
        ...Array.from({ length: 20 }, () => expectUnavailable(() => store.now())),
      ])
      expect(watched.calmMs).toBeLessThan(1_000)
      // The old ones are given up, once for all steps that waited.
      await eventually(() => proxy.counts().connections - connections).toBeGreaterThanOrEqual(2)
      expect(proxy.counts().connections - connections).toBeLessThan(10)
      await expectUnavailable(() => store.now())
    } finally {
      server.resume()
    }
    await eventually(() =>
      store.renew('long' as StoreKey, token, { leaseMs: 30_000 }).catch(() => 'not yet'),
    ).toMatchObject({
      kind: 'ok',
    })
    await travel(store, 'afterwards')
  })

  it('a primary that became a replica is waited for', async () => {
    await server.execute('REPLICAOF', '127.0.0.1', '1')
    const travelling = travel(store, 'replica')
    const looking = watched.run('list_unknown', ['readonly'], ['name'])
    await eventually(() => watched.calmMs).toBeGreaterThanOrEqual(0)
    await server.execute('REPLICAOF', 'NO', 'ONE')
    await Promise.all([travelling, looking])
  })

  it("another client's endless script is waited for", async () => {
    const endless = server.execute('EVAL', 'while true do end', '0').catch((error: Error) => error.message)
    const travelling = travel(store, 'busy')
    await eventually(() => server.execute('SCRIPT', 'KILL').catch(() => 'not yet')).toBe('OK')
    expect(await endless).toMatch(/killed/)
    await travelling
  })

  it('a server that loads its data is waited for, and it is an outage', async () => {
    const loading = await startRedis({ settings: { 'key-load-delay': 10_000 } })
    const terms = { timeoutMs: 5_000, surroundings: processSurroundings, check: async () => {} }
    const patient = new Server(troubled => library.link(loading.url, { troubled }), terms)
    try {
      for (let at = 0; at < 100; at++) await patient.run('meta_init', [`meta-${at}`], ['a'])
      expect(patient.calmMs).toBe(-1)
      await loading.kill()
      const starting = loading.start()
      await eventually(() => loading.log()).toContain('Reading RDB base file on AOF loading')
      expect(String(await patient.run('meta_init', ['meta-99'], ['b']))).toBe('a')
      await starting
      expect(patient.calmMs).toBeGreaterThanOrEqual(0)
      expect(patient.calmMs).toBeLessThan(3_000)
    } finally {
      await patient.close()
      await loading.discard()
    }
  })

  it('leaves nothing behind when it is closed, also where nobody ever was', async () => {
    await Promise.all([store.close(), watched.close()])
    await eventually(() => proxy.counts().open).toBe(0)
    const held = (): string[] => process.getActiveResourcesInfo().filter(one => /TCP|TLS|Timeout|Connect/.test(one))
    const before = held().length
    const lone = library.store('redis://127.0.0.1:1', 'nobody')
    const cluster = library.store('redis+cluster://127.0.0.1:1', 'nobody')
    const steps = [lone, cluster].map(one => expectUnavailable(() => one.now()))
    await Promise.all([lone.close(), cluster.close()])
    await Promise.all(steps)
    await eventually(() => held().length).toBeLessThanOrEqual(before)
  })
})
