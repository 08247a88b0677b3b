import { afterAll } from 'vitest'
import { startRedisCluster } from '../support/redis/cluster.ts'
import { startRedis } from '../support/redis/server.ts'
import { redisStage } from './replay-redis-stage.ts'
import { testReplay } from './replay-suite.ts'

// Nothing here is about what survives a power failure.
const settings = { appendonly: 'no' }
const server = await startRedis({ settings })
const cluster = await startRedisCluster({ settings })
afterAll(async () => {
  await server.stop()
  await cluster.discard()
})

testReplay({ to: 'Redis', way: 'alone', seeds: 16, open: () => redisStage(server.url, ['ioredis']) })

testReplay({
  to: 'Redis Cluster from two processes, one of each library',
  way: 'alone',
  seeds: 16,
  open: () => redisStage(cluster.url, ['ioredis', 'redis']),
})

testReplay({
  to: 'Redis from two processes, one of each library',
  way: 'crowd',
  seeds: 60,
  open: () => redisStage(server.url, ['redis', 'ioredis']),
})
