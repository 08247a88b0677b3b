import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { correct, mutants } from '../model/configurations.mjs'
import { exitCodeOf, onStopSignals } from './stop-signals.mjs'
import { describeMissing, findMissing } from './system-tools.mjs'

const help = `usage: npm run model [-- options]

Searches every state of model/protocol.pml with Spin, in each configuration: the correct protocol must hold, and a
mutant of it must break an invariant.

  --only TEXT   only the configurations whose name or flags contain TEXT
  --json FILE   writes the numbers there too
  --help        says this
`
const modelFile = fileURLToPath(new URL('../model/protocol.pml', import.meta.url))
/** A search that takes longer, or more memory, has become too large for CI: give it smaller bounds. */
const patienceMs = 120_000
const memoryMb = 2_048
const deepest = 100_000

const needed = ['spin', 'cc', 'stdio.h']
const running = new Set()
let stopped
process.exitCode = await main()

async function main() {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, json: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help) return say(help, 0)
  const missing = findMissing().filter(({ name }) => needed.includes(name))
  if (missing.length > 0) return say(missing.map(tool => `${describeMissing(tool)}\n`).join(''), 1)
  const chosen = [
    ...correct.map(configuration => ({ ...configuration, isMutant: false })),
    ...mutants.map(configuration => ({ ...configuration, isMutant: true })),
  ].filter(({ name, flags }) => `${name} ${flags.join(' ')}`.includes(values.only ?? ''))
  if (chosen.length === 0) return say(`no configuration contains ${values.only}\n`, 1)
  onStopSignals(signal => {
    stopped = signal
    for (const child of running) child.kill('SIGKILL')
  })
  const results = await searchAll(chosen)
  if (stopped) return exitCodeOf(stopped)
  const failures = results.filter(({ ok }) => !ok).map(({ name, said }) => `${name}: ${said}`)
  const counts = { passed: results.length - failures.length, failed: failures.length, failures }
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(counts))
  return say(`${counts.passed} configurations as they should be, ${counts.failed} not\n`, failures.length > 0 ? 1 : 0)
}

function say(text, code) {
  process[code === 0 ? 'stdout' : 'stderr'].write(text)
  return code
}

/** As many searches at once as there are processors, at most two: each may need a gigabyte. */
async function searchAll(configurations) {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-model-'))
  const results = []
  const waiting = [...configurations.entries()]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined && !stopped; next = waiting.shift()) {
      const [index, configuration] = next
      const result = await search(configuration, join(folder, String(index)))
      if (stopped) return
      results[index] = result
      process.stdout.write(row(result))
    }
  }
  try {
    process.stdout.write(row({ name: 'configuration', states: 'states', said: 'result', seconds: 'seconds' }))
    await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
    return results
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function row({ isMutant, name, states, said, seconds, ok = true }) {
  const label = isMutant ? `mutant: ${name}` : name
  return `${ok ? ' ' : '✗'} ${label.padEnd(52)} ${String(states).padStart(9)}  ${said.padEnd(14)} ${seconds}\n`
}

async function search({ name, flags, isMutant }, cwd) {
  const startMs = performance.now()
  mkdirSync(cwd)
  copyFileSync(modelFile, join(cwd, 'protocol.pml'))
  const verdict = await compileAndRun(flags, isMutant, cwd)
  rmSync(cwd, { recursive: true, force: true })
  return { name, isMutant, ...verdict, seconds: ((performance.now() - startMs) / 1_000).toFixed(1) }
}

async function compileAndRun(flags, isMutant, cwd) {
  const steps = [
    ['spin', '-a', ...flags.map(flag => `-D${flag}`), 'protocol.pml'],
    ['cc', isMutant ? '-O0' : '-O1', '-w', '-DSAFETY', `-DMEMLIM=${memoryMb}`, '-o', 'pan', 'pan.c'],
    ['./pan', `-m${deepest}`, '-w22'],
  ]
  let output = ''
  for (const [command, ...args] of steps) {
    const ended = await run(command, args, cwd)
    output = ended.output
    if (ended.problem) return { ok: false, states: '-', said: `${command}: ${ended.problem}\n${output}` }
  }
  return isMutant ? judgeMutant(output) : judgeCorrect(output)
}

function statesOf(output) {
  return /(\d+) states, stored/.exec(output)?.[1] ?? '-'
}

function brokenIn(output) {
  return /assertion violated (I\d+|RULE13) /.exec(output)?.[1]
}

/** Nothing found, and nothing left out: a search that was cut proves nothing. */
function judgeCorrect(output) {
  const states = statesOf(output)
  const found = /^pan:\d+: .*$/m.exec(output)?.[0]
  if (found) return { ok: false, states, said: `${brokenIn(output) ?? 'fails'} (${found})` }
  const isCut = /search not completed|max search depth too small|MEMLIM bound|truncated/i.test(output)
  const isWhole = !isCut && / errors: 0$/m.test(output) && states !== '-'
  return isWhole ? { ok: true, states, said: 'holds' } : { ok: false, states, said: `search not complete\n${output}` }
}

/** It must be an invariant that breaks: an error of the model itself would prove nothing. */
function judgeMutant(output) {
  const broken = brokenIn(output)
  const states = statesOf(output)
  return broken ? { ok: true, states, said: `breaks ${broken}` } : { ok: false, states, said: `not found\n${output}` }
}

function run(command, args, cwd) {
  return new Promise(resolve => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
    const chunks = []
    child.stdout.on('data', chunk => chunks.push(chunk))
    child.stderr.on('data', chunk => chunks.push(chunk))
    const settle = problem => {
      clearTimeout(timer)
      running.delete(child)
      resolve({ output: Buffer.concat(chunks).toString(), problem })
    }
    child.once('error', error => settle(error.message))
    child.once('close', (code, signal) => settle(code === 0 ? undefined : (signal ?? `exit ${code}`)))
  })
}
