import { afterAll, describe } from 'vitest'
import { startRedisCluster } from '../../support/redis/cluster.ts'
import { startRedis } from '../../support/redis/server.ts'
import { testRaces } from '../race-rounds.ts'

const [server, cluster] = await Promise.all([startRedis(), startRedisCluster()])
afterAll(async () => {
  await Promise.all([server.discard(), cluster.discard()])
})

/** A script's clock has whole milliseconds. */
const leaseSlackMs = 2

describe.each([
  ['on one server, through ioredis', `${server.url}?client=ioredis`, 200],
  ['on a cluster, through redis', `${cluster.url}?client=redis`, 150],
])('8 processes %s', (_, url, keys) => testRaces(url, keys, leaseSlackMs))
