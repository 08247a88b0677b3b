import { afterAll } from 'vitest'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { testOnManualClock } from './kit-harness.ts'

const server = await startRedis()
afterAll(() => server.stop())

testOnManualClock({ url: server.url, library: 'ioredis' }, { count: 5 })
