import { engineMutants } from './engine-mutants.mjs'
import { lmdbMutants } from './lmdb-mutants.mjs'
import { postgresMutants } from './postgres-mutants.mjs'
import { redisMutants } from './redis-mutants.mjs'
import { storeMutants } from './store-mutants.mjs'

/**
 * One mistake each: in `file` of packages/retrysafe/src the text `find`, which stands there once, becomes `replace`.
 * None has a test of its own; scripts/mutants.mjs says which general one finds it. Mistakes in SQL and Lua have judges of
 * their own, sql-mutants.test.ts and lua-mutants.test.ts. Those whose judges wait for a server come first.
 */
export const mutants = [...postgresMutants, ...redisMutants, ...lmdbMutants, ...engineMutants, ...storeMutants]

/** The source with the mistake in it. */
export function mutate(source, { name, file, find, replace }) {
  const places = source.split(find).length - 1
  if (places === 1) return source.replace(find, () => replace)
  throw new Error(`this mutant no longer applies: ${name} (${places} places in ${file}, not one, say: ${find})`)
}
