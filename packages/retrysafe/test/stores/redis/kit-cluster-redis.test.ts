import { afterAll, describe, it, vi } from 'vitest'
import { startRedisCluster } from '../../../../../test/support/redis/cluster.ts'
import { testStore } from '../../../src/store-testkit/index.ts'
import { redisHarness } from './kit-harness.ts'
import { ManualServerClock } from './manual-link.ts'

// Walks take thousands of commands.
vi.setConfig({ testTimeout: 90_000 })
const server = await startRedisCluster()
afterAll(() => server.discard())
const clock = new ManualServerClock()

testStore(
  { describe, it, skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}) },
  {
    ...redisHarness({ url: server.url, library: 'redis', clock }),
    pass: async ms => clock.pass(ms),
    maxPassMs: Number.POSITIVE_INFINITY,
    walks: { count: 3, seed: 101 },
  },
)
