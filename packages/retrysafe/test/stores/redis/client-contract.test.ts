import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { startRedisCluster } from '../../../../../test/support/redis/cluster.ts'
import { startClusterProxies } from '../../../../../test/support/redis/cluster-proxies.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { startTcpProxy } from '../../../../../test/support/tcp-proxy.ts'
import type { RedisArgument, RedisLink } from '../../../src/stores/redis/link.ts'
import { libraries } from './libraries.ts'

// What the store relies on of each client library, as it opens it, on real servers.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 })

const single = await startRedis({ acl: { reader: 'on >secret ~* &* +@all -eval' } })
const proxy = await startTcpProxy(single)
const cluster = await startRedisCluster()
const proxies = await startClusterProxies(cluster)
afterAll(async () => {
  proxy.stop()
  proxies.stop()
  await Promise.all([single.discard(), cluster.discard()])
})

const places = [
  {
    place: 'single',
    url: proxy.through(single.url),
    cut: () => proxy.cut(),
    arm: async (_key: string) => ({ cut: proxy.cutAfter('server', 0) }),
    refuse: () => proxy.refuse(),
    accept: () => proxy.accept(),
    connections: () => proxy.counts().connections,
    run: async (_key: string, ...command: string[]) => single.execute(...command),
  },
  {
    place: 'cluster',
    url: proxies.url,
    cut: () => {
      for (const one of proxies.all) one.cut()
    },
    arm: async (key: string) => ({ cut: proxies.of(await cluster.nodeOf(key)).cutAfter('server', 0) }),
    refuse: () => {
      for (const one of proxies.all) one.refuse()
    },
    accept: async () => {
      for (const one of proxies.all) await one.accept()
    },
    connections: () => proxies.all.reduce((sum, one) => sum + one.counts().connections, 0),
    run: async (key: string, ...command: string[]) => (await cluster.nodeOf(key)).execute(...command),
  },
]

const links: RedisLink[] = []
afterEach(async () => {
  for (const link of links.splice(0)) await link.close()
})

let keys = 0
const script = (link: RedisLink, key: string, text: string, ...args: RedisArgument[]): Promise<unknown> =>
  link.send(key, ['EVAL', text, '1', key, ...args])

describe.each(
  libraries.flatMap(library => places.map(place => ({ ...place, library, title: `${library.name}, ${place.place}` }))),
)('$title', ({ library, url, cut, arm, refuse, accept, connections, run }) => {
  async function open(): Promise<{ link: RedisLink; key: string }> {
    const link = library.link(url)
    links.push(link)
    await link.connect(5_000)
    keys += 1
    return { link, key: `contract:{${keys}}` }
  }
  const text = async (link: RedisLink, key: string): Promise<string | undefined> => {
    const value = await script(link, key, "return redis.call('GET', KEYS[1])")
    return value === null ? undefined : String(value)
  }

  it('connects when it is told to, not before', async () => {
    const before = connections()
    const link = library.link(url)
    links.push(link)
    await new Promise(resolve => setImmediate(resolve))
    expect(connections()).toBe(before)
    await link.connect(5_000)
    expect(connections()).toBeGreaterThan(before)
  })

  it('carries every byte there and back', async () => {
    const { link, key } = await open()
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    for (const bytes of [all, Buffer.alloc(0), Buffer.alloc(1_048_576, all), Buffer.from('"ÿ\r\n$-1')]) {
      await script(link, key, "redis.call('SET', KEYS[1], ARGV[1])", bytes)
      const answer = await script(link, key, "return redis.call('GET', KEYS[1])")
      expect(Buffer.isBuffer(answer)).toBe(true)
      expect((answer as Buffer).equals(bytes)).toBe(true)
    }
  })

  it('answers integers as numbers, nothing as null, and arrays in arrays', async () => {
    const { link, key } = await open()
    // From 2^53 - 48 on ioredis 6 and node-redis are wrong by one; a fence, in µs, gets there in the year 2255.
    expect(await script(link, key, 'return 9007199254740900')).toBe(9_007_199_254_740_900)
    expect(await script(link, key, 'return -1')).toBe(-1)
    expect(await script(link, key, 'return false')).toBeNull()
    expect(await script(link, key, "return redis.call('GET', KEYS[1])")).toBeNull()
    expect(await script(link, key, 'return {}')).toEqual([])
    const nested = await script(link, key, "return { 1, { ARGV[1], false, { 2 } }, '' }", Buffer.from([0xff]))
    expect(nested).toEqual([1, [Buffer.from([0xff]), null, [2]], Buffer.alloc(0)])
    expect(String(await script(link, key, "return redis.call('SET', KEYS[1], 'a')"))).toBe('OK')
  })

  it('tells what the server refuses in its own words', async () => {
    const { link, key } = await open()
    const refused = (answer: Promise<unknown>): Promise<string> =>
      answer.then(
        () => 'no error',
        (error: Error) => error.message,
      )
    expect(await refused(link.send(key, ['EVALSHA', '0'.repeat(40), '1', key]))).toMatch(/^NOSCRIPT /)
    expect(await refused(script(link, key, "return redis.error_reply('RETRYSAFE_VERSION')"))).toMatch(
      /RETRYSAFE_VERSION/,
    )
    await script(link, key, "redis.call('SET', KEYS[1], 'text')")
    expect(await refused(script(link, key, "return redis.call('HGET', KEYS[1], 'a')"))).toMatch(/^WRONGTYPE /)
    await run(key, 'CONFIG', 'SET', 'maxmemory', '1')
    try {
      expect(await refused(script(link, key, "#!lua\nreturn redis.call('SET', KEYS[1], 'b')"))).toMatch(/^OOM /)
      expect(String(await script(link, key, "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], 'c')"))).toBe(
        'OK',
      )
    } finally {
      await run(key, 'CONFIG', 'SET', 'maxmemory', '0')
    }
  })

  it('sets ends and conditions, none of them overlooked', async () => {
    const { link, key } = await open()
    await link.send(key, ['SET', key, 'first', 'NX', 'PXAT', '4102444800000'])
    expect(await link.send(key, ['SET', key, 'second', 'NX', 'PXAT', '4102444800001'])).toBeNull()
    expect(await run(key, 'GET', key)).toBe('first')
    expect(await run(key, 'PEXPIRETIME', key)).toBe(4_102_444_800_000)
    await script(link, key, "return redis.call('PEXPIREAT', KEYS[1], ARGV[1])", '4102444800002')
    expect(await run(key, 'PEXPIRETIME', key)).toBe(4_102_444_800_002)
  })

  it('does not send a command again whose connection was cut after it had run', async () => {
    const { link, key } = await open()
    await script(link, key, "return redis.call('SET', KEYS[1], '0')")
    const { cut: isCut } = await arm(key)
    await expect(script(link, key, "return redis.call('INCR', KEYS[1])")).rejects.toThrow()
    await isCut
    await eventually(() => text(link, key).catch(() => 'not connected')).toBe('1')
    expect(await run(key, 'GET', key)).toBe('1')
  })

  it('keeps no command for later when there is no connection', async () => {
    const { link, key } = await open()
    await script(link, key, "return redis.call('SET', KEYS[1], '0')")
    refuse()
    cut()
    const began = performance.now()
    try {
      for (let i = 0; i < 20; i++)
        await expect(script(link, key, "return redis.call('INCR', KEYS[1])")).rejects.toThrow()
      expect(performance.now() - began).toBeLessThan(3_000)
    } finally {
      await accept()
    }
    await eventually(() => text(link, key).catch(() => 'not connected')).toBe('0')
    expect(await run(key, 'GET', key)).toBe('0')
  })

  it('goes on to hear a channel after its connection broke', async () => {
    const { link, key } = await open()
    let count = 0
    await link.subscribe(key, () => count++)
    const publish = async (): Promise<number> => {
      await run(key, 'SPUBLISH', key, '')
      return count
    }
    await eventually(publish).toBeGreaterThan(0)
    cut()
    count = 0
    await eventually(publish).toBeGreaterThan(0)
    await link.unsubscribe(key)
    await eventually(() => run(key, 'SPUBLISH', key, '')).toBe(0)
  })
})

describe.each(libraries)('$name', library => {
  const tell = async (url: string): Promise<string> => {
    const link = library.link(url)
    links.push(link)
    return link.connect(1_000).then(
      () => 'connected',
      (error: Error) => error.message,
    )
  }

  it('says why a server is not to be had, within the time', async () => {
    expect(await tell('redis://127.0.0.1:1')).toMatch(/ECONNREFUSED/)
    // Of its nodes ioredis' cluster says only "Connection is closed."
    expect(await tell('redis+cluster://127.0.0.1:1,127.0.0.1:2')).toMatch(/ECONNREFUSED|it does not answer/)
    expect(await tell(single.urlOf('reader', 'wrong'))).toMatch(/^WRONGPASS /)
    expect(await tell(single.url.replace('redis:', 'redis+cluster:'))).toMatch(/cluster support disabled/)
  })

  it('asks another node for the way when one of a cluster is silent', async () => {
    const silent = cluster.primaries[1]
    silent?.pause()
    try {
      // Which one is asked first is drawn.
      const told = await Promise.all(Array.from({ length: 6 }, () => tell(cluster.url)))
      expect(new Set(told)).toEqual(new Set(['connected']))
    } finally {
      silent?.resume()
    }
  })

  it('tells of rights that are missing, and of a slot that is elsewhere', async () => {
    const poor = library.link(single.urlOf('reader', 'secret'))
    const node = library.link(cluster.nodes[0]?.url ?? '')
    links.push(poor, node)
    await Promise.all([poor.connect(2_000), node.connect(2_000)])
    await expect(script(poor, 'a', 'return 1')).rejects.toThrow(/^NOPERM /)
    // Slots 0 to 5460 are here; that of `a` is 15495.
    await expect(node.send('a', ['GET', 'a'])).rejects.toThrow(/^MOVED 15495 /)
  })
})
