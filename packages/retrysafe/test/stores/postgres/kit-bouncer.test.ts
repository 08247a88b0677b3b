import { afterAll, describe, it, vi } from 'vitest'
import { startPgBouncer } from '../../../../../test/support/postgres/bouncer.ts'
import { openSchemas } from '../../../../../test/support/postgres/schemas.ts'
import { startPostgres } from '../../../../../test/support/postgres/server.ts'
import { testStore } from '../../../src/store-testkit/index.ts'
import { startWallMs } from '../../support/manual-time.ts'
import { postgresHarness } from './kit-harness.ts'

vi.setConfig({ testTimeout: 90_000 })
const server = await startPostgres()
afterAll(() => server.stop())
// Fewer connections than clients: they are passed on from one transaction to the next.
const bouncer = await startPgBouncer(server, { poolMode: 'transaction', poolSize: 3 })
afterAll(() => bouncer.stop())
const url = await server.createDatabase()
const storeUrl = bouncer.through(url)
const schemas = await openSchemas(url, { storeUrl, manualMs: startWallMs })
afterAll(() => schemas.close())

testStore(
  { describe, it, skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}) },
  {
    ...postgresHarness(schemas, storeUrl),
    pass: ms => schemas.clock.pass(ms),
    maxPassMs: Number.POSITIVE_INFINITY,
    walks: { count: 5, seed: 1_001 },
  },
)
