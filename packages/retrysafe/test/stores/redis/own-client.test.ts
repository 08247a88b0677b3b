import { readFileSync } from 'node:fs'
import * as ioredis6 from 'ioredis'
import * as ioredis5 from 'ioredis-5'
import * as redis6 from 'redis'
import * as redis5 from 'redis-5'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { makeAuthority } from '../../../../../test/support/certificates.ts'
import { eventually } from '../../../../../test/support/eventually.ts'
import { startRedisCluster } from '../../../../../test/support/redis/cluster.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import type { StoreKey } from '../../../src/engine/record.ts'
import { type RedisStoreOptions, redisStore } from '../../../src/stores/redis/index.ts'
import { acquire, travel } from './journeys.ts'

// Users' own clients, each with options that the store did not choose.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 })

const server = await startRedis()
const cluster = await startRedisCluster()
afterAll(() => Promise.all([server.discard(), cluster.discard()]))

const { host, port, url } = server
const nodes = cluster.nodes.map(node => ({ host: node.host, port: node.port }))
const rootNodes = cluster.nodes.map(node => ({ url: node.url }))

type Client = RedisStoreOptions['client'] & object

/** What the tests use of either major; that each fits the option as it is stands below. */
interface Usable {
  get(key: string): Promise<unknown>
  listenerCount(event: string): number
}
interface Ioredis {
  readonly Redis: new (options: object) => Client
  readonly Cluster: new (nodes: object[], options: object) => Client
}
interface NodeRedis {
  createClient(options: object): Client
  createCluster(options: object): Client
}

interface Own {
  readonly title: string
  readonly client: Client
}

function own(title: string, client: Client): Own {
  client.on('error', () => {})
  return { title, client }
}

/** What a client does for its user. */
const use = ({ client }: Own): Promise<unknown> => (client as unknown as Usable).get('a')
const end = ({ client }: Own): unknown => ('destroy' in client ? client.destroy() : client.disconnect())

function ofIoredis(name: string, { Redis, Cluster }: Ioredis): Own[] {
  const single = (title: string, options: object): Own =>
    own(`${name}, ${title}`, new Redis({ host, port, ...options }))
  const many = (title: string, options: object): Own => own(`${name}, cluster, ${title}`, new Cluster(nodes, options))
  return [
    single('as it comes', {}),
    single('lazy', { lazyConnect: true }),
    single('numbers as texts', { stringNumbers: true }),
    single('automatic pipelines', { enableAutoPipelining: true }),
    single('without an offline queue', { enableOfflineQueue: false }),
    single('retries for ever', { maxRetriesPerRequest: null }),
    many('as it comes', {}),
    many('lazy', { lazyConnect: true }),
    many('automatic pipelines', { enableAutoPipelining: true }),
    many('sharded subscribers', { shardedSubscribers: true }),
    many('reads from replicas', { scaleReads: 'all' }),
  ]
}

function ofNodeRedis(name: string, { createClient, createCluster }: NodeRedis): Own[] {
  const texts = { typeMapping: { 58: String, 36: String, 42: Array } }
  const single = (title: string, options: object): Own => own(`${name}, ${title}`, createClient({ url, ...options }))
  const many = (title: string, options: object): Own =>
    own(`${name}, cluster, ${title}`, createCluster({ rootNodes, ...options }))
  return [
    single('as it comes', {}),
    single('RESP 2', { RESP: 2 }),
    single('RESP 3', { RESP: 3 }),
    single('types of its own', { commandOptions: texts }),
    single('without an offline queue', { disableOfflineQueue: true }),
    many('as it comes', {}),
    many('RESP 2', { RESP: 2 }),
    many('types of its own', { commandOptions: texts }),
    many('reads from replicas', { useReplicas: true }),
  ]
}

const majors = {
  ioredis: [ioredis6, ioredis5] as unknown as Ioredis[],
  redis: [redis6, redis5] as unknown as NodeRedis[],
}
const owns = [
  ...majors.ioredis.flatMap((peer, at) => ofIoredis(`ioredis ${6 - at}`, peer)),
  ...majors.redis.flatMap((peer, at) => ofNodeRedis(`redis ${6 - at}`, peer)),
]
afterAll(() => owns.map(end))

const events = ['error', 'node error', 'node-error', 'smessage']
const counted = ({ client }: Own): number[] => events.map(event => (client as unknown as Usable).listenerCount(event))

/** Those that hear sharded channels. */
async function subscribers(): Promise<number> {
  const lists = await Promise.all([server, ...cluster.nodes].map(one => one.execute('CLIENT', 'LIST')))
  return lists.join('\n').match(/ ssub=[1-9]/g)?.length ?? 0
}

let prefixes = 0
const open = (one: Own): ReturnType<typeof redisStore> =>
  redisStore({ client: one.client, prefix: `own${++prefixes}`, warn: () => {} })

describe.each(owns)('$title', one => {
  it('carries a call, and is as it was when the store is closed', async () => {
    const before = counted(one)
    const store = open(one)
    await travel(store, 'call')
    const token = await acquire(store, 'followed')
    let hints = 0
    store.subscribe('followed' as StoreKey, () => hints++)
    await eventually(() => store.renew('followed' as StoreKey, token, { leaseMs: 30_000 })).toMatchObject({
      followed: true,
    })
    await eventually(subscribers).toBe(1)
    await store.complete('followed' as StoreKey, token, { offsetBytes: 0, bytes: Buffer.from('a') })
    await eventually(() => hints).toBeGreaterThan(0)
    await store.close()
    expect(counted(one)).toEqual(before)
    await eventually(subscribers).toBe(0)
    expect(await use(one)).toBeNull()
  })
})

it('each fits the option as it is', () => {
  const fitting: RedisStoreOptions[] = [
    { client: new ioredis6.Redis({ lazyConnect: true }) },
    { client: new ioredis6.Cluster(nodes, { lazyConnect: true }) },
    { client: new ioredis5.Redis({ lazyConnect: true }) },
    { client: new ioredis5.Cluster(nodes, { lazyConnect: true }) },
    { client: redis6.createClient() },
    { client: redis6.createClient({ RESP: 2 }) },
    { client: redis6.createCluster({ rootNodes }) },
    { client: redis5.createClient() },
    { client: redis5.createClient({ RESP: 3 }) },
    { client: redis5.createCluster({ rootNodes }) },
  ]
  for (const options of fitting) expect(redisStore(options).name).toBe('redis')
})

it('a client with a prefix of its own is refused', () => {
  const clients = [
    new ioredis6.Redis({ lazyConnect: true, keyPrefix: 'a:' }),
    new ioredis5.Cluster(nodes, { lazyConnect: true, redisOptions: { keyPrefix: 'a:' } }),
    redis6.createClient({ keyPrefix: 'a:' }),
    redis6.createCluster({ rootNodes, keyPrefix: 'a:' }),
  ]
  for (const client of clients)
    expect(() => redisStore({ client })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
})

it('something else is refused', () => {
  const older = { sendCommand() {}, sSubscribe() {}, disconnect() {}, on() {}, off() {}, connect() {}, isOpen: false }
  for (const client of [{}, new Map(), older, Buffer.alloc(0), 'redis://a', 1, () => {}])
    expect(() => redisStore({ client: client as never })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
})

it('TLS, each with its own settings', async () => {
  const authority = makeAuthority('own-client')
  const secure = await startRedis({ tls: authority, password: 'secret' })
  const ca = readFileSync(authority.path, 'utf8')
  const place = { host, port: secure.port }
  try {
    const clients = [
      ...majors.ioredis.map(({ Redis }) => own('ioredis', new Redis({ ...place, password: 'secret', tls: { ca } }))),
      ...majors.redis.map(({ createClient }) =>
        own('redis', createClient({ password: 'secret', socket: { ...place, tls: true, ca } })),
      ),
    ]
    for (const one of clients) {
      const store = open(one)
      await travel(store, 'secure')
      await store.close()
      expect(await use(one)).toBeNull()
      end(one)
    }
  } finally {
    await secure.discard()
  }
})
