import { afterAll } from 'vitest'
import { postgresStore } from '../../packages/retrysafe/src/stores/postgres/index.ts'
import { migrate } from '../../packages/retrysafe/src/stores/postgres/migrate.ts'
import { provideDatabase } from '../support/postgres/provided-database.ts'
import { describeTable } from './describe-table.ts'

const url = await provideDatabase()
await migrate({ url })
const store = postgresStore({ url, maxConnections: 4 })
afterAll(() => store.close())

describeTable({ store, gatewayUrl: url })
