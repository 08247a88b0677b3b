import { afterAll, test } from 'vitest'
import { startWallMs } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { openSchemas } from '../../support/postgres/schemas.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { sqlCases } from './sql-cases.ts'
import { runSqlCase } from './sql-stage.ts'

const server = await startPostgres({ settings: { deadlock_timeout: '5ms' } })
afterAll(() => server.stop())
const schemas = await openSchemas(await server.createDatabase(), { manualMs: startWallMs })
afterAll(() => schemas.close())

test.each(sqlCases)('$name', async sqlCase => {
  await schemas.clock.setMs(startWallMs)
  await runSqlCase(sqlCase, schemas, server.log)
})
