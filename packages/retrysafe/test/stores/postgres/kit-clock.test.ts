import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, describe, it, vi } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import { openSchemas } from '../../../../../test/support/postgres/schemas.ts'
import { testStore } from '../../../src/store-testkit/index.ts'
import { postgresHarness } from './kit-harness.ts'

// The server's own clock: cases wait, so many run at once.
vi.setConfig({ maxConcurrency: 24 })
const url = await provideDatabase()
const schemas = await openSchemas(url)
afterAll(() => schemas.close())

testStore(
  {
    describe: (name, body) => describe.concurrent(name, body),
    it: (name, body) => it.concurrent(name, body, 120_000),
    skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}),
  },
  {
    ...postgresHarness(schemas, url),
    pass: ms => wait(ms),
    maxPassMs: 10_000,
    slackMs: 2_500,
    walks: { count: 2 },
  },
)
