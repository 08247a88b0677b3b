import { openDatabase } from '../servers/postgres.mjs'
import { gatewayRows } from './gateway.mjs'
import { postgresScaleRows } from './postgres-scale.mjs'
import { postgresStoreRows } from './postgres-store.mjs'

export const postgresRows = [
  ...gatewayRows('postgres', { store: openDatabase, replayGoal: 0.3, firstGoal: 0.1 }),
  ...postgresStoreRows,
  ...postgresScaleRows,
]
