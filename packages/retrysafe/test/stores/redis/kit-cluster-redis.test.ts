import { afterAll } from 'vitest'
import { startRedisCluster } from '../../../../../test/support/redis/cluster.ts'
import { testOnManualClock } from './kit-harness.ts'

const server = await startRedisCluster()
afterAll(() => server.discard())

testOnManualClock({ url: server.url, library: 'redis' }, { count: 3, seed: 101 })
