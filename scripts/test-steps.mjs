import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInForeground } from './foreground-command.mjs'
import { root } from './prepare.mjs'
import { readVitestCounts } from './vitest-counts.mjs'

/** What `npm test` runs, in this order; with arguments, which are vitest's, only vitest. */
export function listSteps(vitestArgs) {
  const checks = [command('biome', 'check', '.'), command('tsc', '-p', 'tsconfig.tests.json')]
  return [...(vitestArgs.length > 0 ? [] : checks), vitest(vitestArgs)]
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
  const run = async () => {
    const folder = mkdtempSync(join(tmpdir(), 'retrysafe-test-'))
    try {
      const file = join(folder, 'vitest.json')
      const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
      const { code, stopped } = await runTool('vitest', ['run', ...reporters, ...args])
      return { ...readVitestCounts(file, code), stopped }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return { name: ['vitest run', ...args].join(' '), run }
}

const runTool = (tool, args) =>
  runInForeground(process.execPath, [join(root, 'node_modules', '.bin', tool), ...args], { cwd: root })
