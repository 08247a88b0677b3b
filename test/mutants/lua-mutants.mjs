import { luaClaimMutants } from './lua-claim-mutants.mjs'
import { luaOtherMutants } from './lua-other-mutants.mjs'
import { luaWriteMutants } from './lua-write-mutants.mjs'

/**
 * Mistakes in the Lua of the Redis store: in `file`, without its lines of comment, `find` becomes `replace`. `by`: the
 * case of the kit, or of test/fault/redis/lua-cases.ts, that finds it; lua-mutants.test.ts runs just that one.
 */
export const luaMutants = [...luaClaimMutants, ...luaWriteMutants, ...luaOtherMutants]
