import { sqlClaimMutants } from './sql-claim-mutants.mjs'
import { sqlOtherMutants } from './sql-other-mutants.mjs'
import { sqlWriteMutants } from './sql-write-mutants.mjs'

/**
 * Mistakes in the SQL of the PostgreSQL store. `by`: the case of the kit, or of test/fault/postgres/sql-cases.ts, that
 * finds it; sql-mutants.test.ts runs just that one.
 */
export const sqlMutants = [...sqlClaimMutants, ...sqlWriteMutants, ...sqlOtherMutants]
