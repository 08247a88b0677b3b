import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInForeground } from './foreground-command.mjs'
import { root } from './prepare.mjs'
import { readVitestCounts } from './vitest-counts.mjs'

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

function vitest(args) {
  const run = () =>
    withReport(async file => {
      const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
      const { code, stopped } = await runTool('vitest', ['run', ...reporters, ...args])
      return { ...readVitestCounts(file, code), stopped }
    })
  return { name: ['vitest run', ...args].join(' '), run }
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
  try {
    const counts = JSON.parse(readFileSync(file, 'utf8'))
    if (code === 0 || counts.failed > 0) return { skipped: 0, ...counts }
  } catch {
    // It ended before it had any.
  }
  return { passed: 0, failed: 1, skipped: 0, failures: [`exit ${code}, see above`] }
}

async function withReport(run) {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-test-'))
  try {
    return await run(join(folder, 'report.json'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const runTool = (tool, args) => runNode(join(root, 'node_modules', '.bin', tool), args)

const runNode = (file, args) => runInForeground(process.execPath, [file, ...args], { cwd: root })
