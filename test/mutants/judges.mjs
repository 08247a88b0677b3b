import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { postgresMutants } from './postgres-mutants.mjs'
import { redisMutants } from './redis-mutants.mjs'

/**
 * Who may find a mutant. None of them was written for one: the kit's walks compare any steps with a model, the
 * simulation plays seeds of a whole system and checks its histories, the kit's cases say what the contract says.
 */
const walks = ['-t', 'any steps in any order']
const memoryKit = ['packages/retrysafe/test/stores/memory/kit.test.ts']
const lmdbKit = ['packages/retrysafe/test/stores/lmdb/kit.test.ts']
const seeds = 3_800

const suites = {
  memoryWalks: { name: 'kit walk', args: [...memoryKit, ...walks] },
  memoryKit: { name: 'kit case', args: memoryKit },
  lmdbWalks: { name: 'lmdb kit walk', args: [...lmdbKit, ...walks] },
  lmdbKit: { name: 'lmdb kit case', args: lmdbKit },
  // Half of the seeds: the other half is in another file.
  simulation: {
    name: 'simulation',
    args: ['test/simulation/simulation.test.ts'],
    env: { SIMULATION_SEEDS: String(seeds) },
    said: /^(?:Error: )?seed \d+ of commit \S+: I\d+: /,
  },
  engineTests: { name: 'unit tests', args: ['packages/retrysafe/test/engine'], isUnit: true },
}

/** Tests by the beginnings of their names. */
function named(name, ...those) {
  const pattern = those.map(({ test }) => test.replaceAll(/[^\w ]/g, '.')).join('|')
  return { name, args: [...new Set(those.map(({ file }) => file)), '-t', pattern] }
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

/** In this order; the unit tests only to say that no general test finds what they do. */
export function judgesOf({ file, by }) {
  if (by !== undefined) return [named(file.split('/')[1], by)]
  if (file.startsWith('stores/lmdb/')) return [suites.lmdbWalks, suites.lmdbKit]
  if (file.startsWith('stores/')) return [suites.memoryWalks, suites.memoryKit, suites.simulation]
  return [suites.simulation, suites.engineTests]
}

/** A suite that does not end is no finding: a mutant must be caught by what a test says. */
const patienceMs = 180_000
/** What the mutant's own text brings about, not what a test expects. */
const ownError = /^(?:Error: )?(?:SyntaxError|ReferenceError|Transform failed|Failed to load)/

/**
 * Runs a suite in `folder`, up to its first failure.
 *
 * @returns `passed`; `caught` with the test's name and what it said; or `broken`, when something else went wrong
 */
export async function judge({ args, env, said }, folder, running) {
  const file = join(folder, 'report.json')
  rmSync(file, { force: true })
  const vitest = join(folder, 'node_modules', '.bin', 'vitest')
  const options = [
    'run',
    '--bail',
    '1',
    '--maxWorkers',
    '1',
    '--reporter',
    'json',
    '--outputFile',
    file,
    '--cache',
    'false',
  ]
  const { output, isLate } = await run(process.execPath, [vitest, ...options, ...args], { cwd: folder, env, running })
  if (isLate) return { kind: 'broken', why: `no end after ${patienceMs / 1_000} s` }
  const report = readReport(file)
  if (report === undefined) return { kind: 'broken', why: `vitest wrote no results\n${output}` }
  const failed = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed'),
  )
  const notLoaded = report.testResults.find(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  if (notLoaded !== undefined) return { kind: 'broken', why: notLoaded.message }
  if (failed.length === 0) {
    return report.numPassedTests > 0 ? { kind: 'passed' } : { kind: 'broken', why: `no test was run\n${output}` }
  }
  const [{ fullName, failureMessages }] = failed
  const [message = ''] = failureMessages
  const isFinding = !ownError.test(message) && (said === undefined || said.test(message))
  return isFinding ? { kind: 'caught', test: fullName, message } : { kind: 'broken', why: `${fullName}: ${message}` }
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** Its own process group, so that vitest's workers end with it. */
function run(file, args, { cwd, env, running }) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let isLate = false
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch (error) {
        if (error.code !== 'ESRCH') throw error
      }
    }
    running.add(end)
    const timer = setTimeout(() => {
      isLate = true
      end()
    }, patienceMs)
    const chunks = []
    child.stdout.on('data', chunk => chunks.push(chunk))
    child.stderr.on('data', chunk => chunks.push(chunk))
    const settle = () => {
      clearTimeout(timer)
      running.delete(end)
    }
    child.once('error', error => {
      settle()
      reject(error)
    })
    child.once('close', () => {
      settle()
      resolve({ output: Buffer.concat(chunks).toString(), isLate })
    })
  })
}
