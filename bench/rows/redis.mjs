import { openServer } from '../servers/redis.mjs'
import { gatewayRows } from './gateway.mjs'
import { redisPeerRows } from './redis-peers.mjs'
import { redisScaleRow } from './redis-scale.mjs'
import { redisStoreRows } from './redis-store.mjs'
import { redisStreamRows } from './redis-streams.mjs'

const store = async () => ({ url: (await openServer('single')).url, close: async () => {} })

export const redisRows = [
  ...gatewayRows('redis', { store, replayGoal: 0.45, firstGoal: 0.15 }),
  ...redisStoreRows,
  ...redisPeerRows,
  ...redisStreamRows,
  redisScaleRow,
]
