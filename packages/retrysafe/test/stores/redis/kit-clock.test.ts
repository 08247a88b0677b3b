import { setTimeout as wait } from 'node:timers/promises'
import { describe, it, vi } from 'vitest'
import { provideRedis } from '../../../../../test/support/redis/provided-server.ts'
import { testStore } from '../../../src/store-testkit/index.ts'
import { redisHarness } from './kit-harness.ts'

// The server's own clock, and records that go when it says: cases wait, so many run at once.
vi.setConfig({ maxConcurrency: 24 })
const url = await provideRedis()

testStore(
  {
    describe: (name, body) => describe.concurrent(name, body),
    it: (name, body) => it.concurrent(name, body, 120_000),
    skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}),
  },
  {
    ...redisHarness({ url, library: 'ioredis' }),
    pass: ms => wait(ms),
    maxPassMs: 10_000,
    slackMs: 2_500,
    walks: { count: 2 },
  },
)
