import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInForeground } from './foreground-command.mjs'
import { root } from './prepare.mjs'
import { reportVariable } from './vitest-report.mjs'

/** What `npm test` runs, in this order; with arguments, which are vitest's, only vitest. */
export function listSteps(vitestArgs) {
  const checks = [command('biome', 'check', '.'), command('tsc', '-p', 'tsconfig.tests.json')]
  if (vitestArgs.length > 0) return [vitest(vitestArgs)]
  return [...checks, script('spin model', 'model.mjs'), vitest([]), script('mutants', 'mutants.mjs', '--tested')]
}

function command(tool, ...args) {
  const name = [tool, ...args].join(' ')
  const run = async () => {
    const { code, stopped } = await runTool(tool, args)
    const isPassed = code === 0
    const failures = isPassed ? [] : [`exit ${code}`]
    return { passed: Number(isPassed), failed: Number(!isPassed), skipped: 0, failures, stopped }
  }
  return { name, run }
}

/** More files than this are not looked at a second time. */
const mostFilesAgain = 5

/**
 * vitest, and what failed once more, alone, to tell what depends on its neighbours or on the machine from what does not.
 * What failed has failed, whatever the second run says (docs/decisions/0029).
 */
function vitest(args) {
  const run = async () => {
    const first = await runVitest(args)
    const files = [...new Set(first.failures.map(({ file }) => file))]
    const isWorthIt = files.length > 0 && files.length <= mostFilesAgain && !files.includes(undefined)
    if (!isWorthIt || first.stopped) return { ...resultOf(first), stopped: first.stopped }
    process.stdout.write(`── what failed, once more and alone, to know more of it: ${files.join(' ')}\n`)
    const second = await runVitest([...files, '--maxWorkers=1'])
    const again = new Set(second.failures.map(({ file }) => file))
    const isSilent = again.has(undefined)
    const failures = first.failures.map(failure => {
      const word = isSilent || again.has(failure.file) ? 'its file fails alone, too' : 'its file passes alone'
      return { ...failure, name: `${failure.name} (${word})` }
    })
    return { ...resultOf({ ...first, failures }), stopped: second.stopped }
  }
  return { name: ['vitest run', ...args].join(' '), run }
}

function runVitest(args) {
  return withReport(async file => {
    const reporters = ['--reporter=default', `--reporter=${join(root, 'scripts', 'vitest-report.mjs')}`]
    const env = { ...process.env, [reportVariable]: file }
    const { code, stopped } = await runTool('vitest', ['run', ...reporters, ...args], env)
    return { ...readVitestCounts(file, code), stopped }
  })
}

/** Silence is failure: no file, no tests, or an exit code that no failure explains, each count as failed. */
function readVitestCounts(file, code) {
  const report = readReport(file)
  const failures = [...(report?.failures ?? [])]
  if (report === undefined) failures.push({ name: `vitest wrote no results (exit ${code})` })
  else if (failures.length === 0 && report.total === 0) failures.push({ name: 'vitest found no tests' })
  else if (failures.length === 0 && code !== 0) failures.push({ name: `vitest ended with exit ${code}, see above` })
  return { passed: report?.passed ?? {}, skipped: report?.skipped ?? 0, failures }
}

function resultOf({ passed, skipped, failures }) {
  const sum = Object.values(passed).reduce((total, count) => total + count, 0)
  return { passed: sum, failed: failures.length, skipped, failures: failures.map(describeFailure) }
}

function describeFailure({ name, why = [] }) {
  return [name, ...why].join('\n    ')
}

/** A script of ours that counts by itself. */
function script(name, fileName, ...args) {
  const run = () =>
    withReport(async file => {
      const { code, stopped } = await runNode(join(root, 'scripts', fileName), ['--json', file, ...args])
      return { ...readScriptCounts(file, code), stopped }
    })
  return { name, run }
}

/** Silence is failure here too: no numbers, or an exit code that they do not explain. */
function readScriptCounts(file, code) {
  const counts = readReport(file)
  if (counts !== undefined && (code === 0 || counts.failed > 0)) return { skipped: 0, ...counts }
  return { passed: 0, failed: 1, skipped: 0, failures: [`exit ${code}, see above`] }
}

/** `undefined`: it ended before it had any. */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

async function withReport(run) {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-test-'))
  try {
    return await run(join(folder, 'report.json'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const runTool = (tool, args, env) => runNode(join(root, 'node_modules', '.bin', tool), args, env)

const runNode = (file, args, env) => runInForeground(process.execPath, [file, ...args], { cwd: root, env })
