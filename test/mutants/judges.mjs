import { postgresMutants } from './postgres-mutants.mjs'
import { redisMutants } from './redis-mutants.mjs'

/**
 * Who may find a mutant. None of them was written for one: the kit's walks compare any steps with a model, the
 * simulation plays seeds of a whole system and checks its histories, the kit's cases say what the contract says.
 */
const walks = 'any steps in any order'
const memoryKit = ['packages/retrysafe/test/stores/memory/kit.test.ts']
const lmdbKit = ['packages/retrysafe/test/stores/lmdb/kit.test.ts']
const seeds = 3_800
const few = 200

const suites = {
  memoryWalks: { name: 'kit walk', files: memoryKit, pattern: walks },
  memoryKit: { name: 'kit case', files: memoryKit },
  lmdbWalks: { name: 'lmdb kit walk', files: lmdbKit, pattern: walks },
  lmdbKit: { name: 'lmdb kit case', files: lmdbKit },
  simulation: simulationOf(seeds),
  engineTests: { name: 'unit tests', files: ['packages/retrysafe/test/engine'], isUnit: true },
}

/** Half of the seeds: the other half is in another file. The seed and what it breaks are enough, without the story. */
function simulationOf(seeds) {
  return {
    name: 'simulation',
    files: ['test/simulation/simulation.test.ts'],
    env: { SIMULATION_SEEDS: String(seeds), SIMULATION_SHRINK_RUNS: '0' },
    said: /^(?:Error: )?seed \d+ of commit \S+: I\d+: /,
  }
}

/** Tests by the beginnings of their names. */
function named(name, ...those) {
  const pattern = those.map(({ test }) => test.replaceAll(/[^\w ]/g, '.')).join('|')
  return { name, files: [...new Set(those.map(({ file }) => file))], pattern }
}

const allOfPostgres = named('postgres', ...postgresMutants.map(({ by }) => by))
const allOfRedis = named('redis', ...redisMutants.map(({ by }) => by))

/** Everything that must pass while no mutant is there. */
export const allSuites = [
  suites.memoryKit,
  suites.lmdbKit,
  allOfPostgres,
  allOfRedis,
  suites.simulation,
  suites.engineTests,
]

/** Enough to see that the copy is whole, when all is run beside it. */
export const fewSuites = [
  allOfPostgres,
  suites.lmdbWalks,
  allOfRedis,
  suites.memoryKit,
  simulationOf(few),
  suites.engineTests,
]

/** In this order; the unit tests only to say that no general test finds what they do. */
export function judgesOf({ file, by }) {
  if (by !== undefined) return [named(file.split('/')[1], by)]
  if (file.startsWith('stores/lmdb/')) return [suites.lmdbWalks, suites.lmdbKit]
  if (file.startsWith('stores/')) return [suites.memoryWalks, suites.memoryKit, suites.simulation]
  return [suites.simulation, suites.engineTests]
}

/** What the mutant's own text brings about, not what a test expects. */
const ownError = /^(?:Error: )?(?:SyntaxError|ReferenceError|Transform failed|Failed to load)/

/**
 * Runs a suite in the work copy `copy`, up to its first failure.
 *
 * @returns `passed`; `caught` with the test's name and what it said; or `broken`, when something else went wrong
 */
export async function judge(suite, copy) {
  const { passed, failed, problem, said } = await copy.run(suite)
  if (problem !== undefined) return { kind: 'broken', why: problem }
  const [failure] = failed
  if (failure === undefined) {
    return passed > 0 ? { kind: 'passed' } : { kind: 'broken', why: `no test was run\n${said}` }
  }
  const { test, message } = failure
  const isFinding = !ownError.test(message) && (suite.said === undefined || suite.said.test(message))
  return isFinding ? { kind: 'caught', test, message } : { kind: 'broken', why: `${test}: ${message}` }
}
