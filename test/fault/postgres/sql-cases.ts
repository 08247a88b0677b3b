import { clockCases } from './sql-clock-cases.ts'
import { lockCases } from './sql-lock-cases.ts'
import { partitionCases } from './sql-partition-cases.ts'
import type { SqlCase } from './sql-stage.ts'

/** What the kit cannot see of the SQL: locks, the server's start, partitions. */
export const sqlCases: readonly SqlCase[] = [...lockCases, ...clockCases, ...partitionCases]
