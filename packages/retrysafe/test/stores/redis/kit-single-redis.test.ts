import { afterAll, describe, it, vi } from 'vitest'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { testStore } from '../../../src/store-testkit/index.ts'
import { redisHarness } from './kit-harness.ts'
import { ManualServerClock } from './manual-link.ts'

// Walks take thousands of commands.
vi.setConfig({ testTimeout: 90_000 })
const server = await startRedis()
afterAll(() => server.stop())
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
