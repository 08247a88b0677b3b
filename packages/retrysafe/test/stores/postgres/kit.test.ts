import { afterAll, describe, it, vi } from 'vitest'
import { openSchemas } from '../../../../../test/support/postgres/schemas.ts'
import { startPostgres } from '../../../../../test/support/postgres/server.ts'
import { testStore } from '../../../src/store-testkit/index.ts'
import { startWallMs } from '../../support/manual-time.ts'
import { postgresHarness } from './kit-harness.ts'

// Walks take thousands of statements.
vi.setConfig({ testTimeout: 90_000 })
const server = await startPostgres()
afterAll(() => server.stop())
const url = await server.createDatabase()
const schemas = await openSchemas(url, { manualMs: startWallMs })
afterAll(() => schemas.close())

testStore(
  { describe, it, skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}) },
  {
    ...postgresHarness(schemas, url),
    pass: ms => schemas.clock.pass(ms),
    maxPassMs: Number.POSITIVE_INFINITY,
    walks: { count: 10 },
  },
)
