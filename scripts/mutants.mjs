import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { allSuites, fewSuites, judge, judgesOf } from '../test/mutants/judges.mjs'
import { mutants, mutate } from '../test/mutants/mutants.mjs'
import { createWorkCopy } from '../test/mutants/work-copy.mjs'
import { exitCodeOf, onStopSignals } from './stop-signals.mjs'

const help = `usage: npm run mutants [-- options]

Puts one mistake after the other into a copy of the library and runs the general tests on it: the walks and cases of
the store kit, and the simulation. Each mistake must be found by one of them, by what a test says.

  --only TEXT   only the mutants whose name contains TEXT
  --list        names them, and what each does
  --tested      the tests are run on the same sources, too: without a mutant a part of them is enough
  --json FILE   writes the numbers there too
  --help        says this
`
const root = fileURLToPath(new URL('..', import.meta.url))
const copies = []
let stopped
process.exitCode = await main()

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      list: { type: 'boolean' },
      tested: { type: 'boolean' },
      json: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return say(help)
  const chosen = mutants.filter(({ name }) => name.includes(values.only ?? ''))
  if (values.list) return say(chosen.map(({ name, about, file }) => `${name}: ${about} (${file})\n`).join(''))
  if (chosen.length === 0) return say(`no mutant's name contains ${values.only}\n`, 1)
  onStopSignals(signal => {
    stopped = signal
    for (const copy of copies) copy.end()
  })
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-mutants-'))
  try {
    const failures = await tryAll(chosen, folder, values.tested ? fewSuites : allSuites)
    if (stopped) return exitCodeOf(stopped)
    const counts = { passed: Math.max(0, chosen.length - failures.length), failed: failures.length, failures }
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(counts))
    for (const failure of failures) say(`\n✗ ${failure}\n`, 1)
    return say(`${counts.passed} of ${chosen.length} mutants caught\n`, failures.length > 0 ? 1 : 0)
  } finally {
    for (const copy of copies) copy.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

function say(text, code = 0) {
  process[code === 0 ? 'stdout' : 'stderr'].write(text)
  return code
}

/** @returns what is wrong, a text each */
async function tryAll(chosen, folder, suites) {
  const stale = chosen.flatMap(mutant => staleness(mutant))
  if (stale.length > 0) return stale
  // A third: some judges wait for servers and clocks half of their time.
  const workers = Math.min(3, availableParallelism() + 1)
  for (let number = 0; number < workers; number++) copies.push(createWorkCopy(root, join(folder, String(number))))
  say('without a mutant…\n')
  const sound = await inParallel(suites, async (copy, suite) => {
    const { kind, test, message, why } = await judge(suite, copy)
    return kind === 'passed' ? [] : [`without any mutant the ${suite.name} fails: ${why ?? `${test}: ${message}`}`]
  })
  if (sound.length > 0) return sound
  say(row({ name: 'mutant', by: 'caught by', test: 'test', seconds: 'seconds' }))
  return inParallel(chosen, tryOne)
}

function staleness(mutant) {
  try {
    mutate(readFileSync(join(root, 'packages/retrysafe/src', mutant.file), 'utf8'), mutant)
    return []
  } catch (error) {
    return [error.message]
  }
}

/** Each copy takes the next item as soon as it is free. */
async function inParallel(items, work) {
  const waiting = [...items]
  const found = await Promise.all(
    copies.map(async copy => {
      const texts = []
      for (let item = waiting.shift(); item !== undefined && !stopped; item = waiting.shift()) {
        texts.push(...(await work(copy, item)))
      }
      return texts
    }),
  )
  return found.flat()
}

async function tryOne(copy, mutant) {
  const startMs = performance.now()
  const verdict = await copy.withMutant(mutant, () => findOut(mutant, copy))
  if (stopped) return []
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1)
  say(row({ name: mutant.name, ...verdict, seconds }))
  return verdict.problem === undefined ? [] : [`${mutant.name}: ${verdict.problem}`]
}

/** The first of its judges that finds it. */
async function findOut(mutant, copy) {
  for (const suite of judgesOf(mutant)) {
    const { kind, test, message, why } = await judge(suite, copy)
    if (kind === 'broken') return { by: 'nobody', test: suite.name, problem: `not an assertion, but: ${why}` }
    if (kind === 'passed') continue
    if (suite.isUnit) return { by: 'unit only', test, problem: `only a unit test finds it: ${test}` }
    return { by: suite.name, test: brief(test, message) }
  }
  return { by: 'nobody', test: '-', problem: 'survives' }
}

/** The test, and the seed and invariant where it names them. */
function brief(test, message) {
  const seed = /seed \d+/.exec(message)?.[0]
  const broken = /: (I\d+): ([^\n]*)/.exec(message)
  const details = [seed, broken && `${broken[1]} ${broken[2]}`].filter(Boolean).join(', ')
  return details === '' ? test : `${test.slice(0, 60)} › ${details.slice(0, 100)}`
}

function row({ name, by, test, seconds, problem }) {
  return `${problem === undefined ? ' ' : '✗'} ${name.padEnd(34)} ${by.padEnd(14)} ${String(seconds).padStart(7)}  ${test}\n`
}
