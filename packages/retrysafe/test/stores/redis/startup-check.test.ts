import { createServer } from 'node:net'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { startOnFreePort } from '../../../../../test/support/free-port.ts'
import { startRedisCluster } from '../../../../../test/support/redis/cluster.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'

const libraries = ['ioredis', 'redis'] as const
const acl = { mute: 'on >pw ~* &* +@all -info' }
const [server, cluster] = await Promise.all([startRedis({ acl }), startRedisCluster()])
afterAll(() => Promise.all([server.stop(), cluster.discard()]))

/** The store's clock, or the error of its first step; and what was told. */
async function look(url: string): Promise<{ ms?: number; error?: unknown; told: string[] }> {
  const told: string[] = []
  const store = redisStore({ url, warn: message => told.push(message) })
  try {
    return { ms: await store.now(), told }
  } catch (error) {
    return { error, told }
  } finally {
    await store.close()
  }
}

async function withSetting(
  name: string,
  value: string,
  on: { execute: typeof server.execute } = server,
): Promise<void> {
  const [, before] = (await on.execute('CONFIG', 'GET', name)) as [string, string]
  await on.execute('CONFIG', 'SET', name, value)
  onTestFinished(async () => void (await on.execute('CONFIG', 'SET', name, before)))
}

describe.each(libraries)('through %s', library => {
  const url = `${server.url}?client=${library}`

  test('a sound server: nothing is told', async () => {
    expect(await look(url)).toEqual({ ms: expect.any(Number), told: [] })
  })

  test.each([
    'allkeys-lru',
    'allkeys-lfu',
    'allkeys-random',
    'volatile-lru',
    'volatile-lfu',
    'volatile-random',
    'volatile-ttl',
  ])('%s is refused, unless it is accepted', async policy => {
    await withSetting('maxmemory-policy', policy)
    const message = expect.stringMatching(`^Redis at 127.0.0.1:${server.port} may evict.*${policy}.*evicting=allow$`)
    expect(await look(url)).toEqual({
      error: expect.objectContaining({ code: 'STORE_INCOMPATIBLE', message }),
      told: [],
    })
    const accepted = await look(`${url}&evicting=allow`)
    expect(accepted).toEqual({ ms: expect.any(Number), told: [expect.stringContaining('evicted runs again')] })
  })

  test('no append-only file is told', async () => {
    await withSetting('appendonly', 'no')
    const told = [expect.stringMatching(/keeps no append-only file: a restart forgets records/)]
    expect(await look(url)).toEqual({ ms: expect.any(Number), told })
  })

  test('a user who may not ask is told that nothing was checked', async () => {
    const told = [expect.stringMatching(/does not let this user ask for INFO/)]
    expect(await look(`${server.urlOf('mute', 'pw')}?client=${library}`)).toEqual({ ms: expect.any(Number), told })
  })

  test('a single server for a cluster, and the reverse', async () => {
    const single = await look(`${cluster.primaries[0]?.url}?client=${library}`)
    expect(single.error).toMatchObject({
      code: 'STORE_INCOMPATIBLE',
      message: expect.stringContaining('take redis+cluster:// instead'),
    })
    const many = await look(url.replace('redis:', 'redis+cluster:'))
    expect(many.error).toMatchObject({
      code: 'STORE_INCOMPATIBLE',
      message: expect.stringContaining('take redis:// instead'),
    })
  })

  test('every primary of a cluster is looked at', async () => {
    const last = cluster.primaries.at(-1)
    if (last === undefined) throw new Error('a cluster without primaries')
    await withSetting('maxmemory-policy', 'allkeys-lru', last)
    const { error } = await look(`${cluster.url}?client=${library}`)
    expect(error).toMatchObject({
      code: 'STORE_INCOMPATIBLE',
      message: expect.stringContaining(`Redis at 127.0.0.1:${last.port} may`),
    })
  })

  // No server so old is to be had here: one that answers as such a one would.
  test('Redis 6.2 is refused', async () => {
    const old = await startOnFreePort(listenAsOld)
    onTestFinished(() => void old.close())
    const place = old.address()
    const port = typeof place === 'object' ? place?.port : undefined
    const { error } = await look(`redis://127.0.0.1:${port}?client=${library}&timeout=2s`)
    expect(error).toMatchObject({
      code: 'STORE_INCOMPATIBLE',
      message: 'Redis is version 6.2.14: upgrade it to 7.0 or newer',
    })
  })
})

const oldInfo = '# Server\r\nredis_version:6.2.14\r\nloading:0\r\nrole:master\r\naof_enabled:1\r\n'

async function listenAsOld(port: number): Promise<ReturnType<typeof createServer>> {
  const old = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', bytes => {
      for (const [, name] of String(bytes).matchAll(/\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n/g)) socket.write(answerOf(name))
    })
  })
  await new Promise<void>((resolve, reject) => old.once('error', reject).listen(port, '127.0.0.1', resolve))
  return old
}

function answerOf(name = ''): string {
  switch (name.toUpperCase()) {
    case 'INFO':
      return `$${oldInfo.length}\r\n${oldInfo}\r\n`
    case 'HELLO':
      return '*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n'
    default:
      return '+OK\r\n'
  }
}
