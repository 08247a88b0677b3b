import { canInstallPackages, installPackages } from './debian-packages.mjs'
import { provideNewestSdks } from './newest-sdks.mjs'
import { prepare, reportPrepareError, root } from './prepare.mjs'
import { exitCodeOf } from './stop-signals.mjs'
import { describeMissing, findMissing } from './system-tools.mjs'
import { listSteps } from './test-steps.mjs'
import { withWorkspaceLock } from './workspace-lock.mjs'

process.exitCode = await test(process.argv.slice(2))

/** Prepares, runs every step, reports; answers the exit code. Only a failed build, or a signal, stops it early. */
async function test(vitestArgs) {
  try {
    await prepare()
    await provideNewestSdks()
    await provideTools()
  } catch (error) {
    const exitCode = reportPrepareError(error)
    finish([{ name: 'preparation', passed: 0, failed: 1, skipped: 0, failures: [error.message] }])
    return exitCode
  }
  const results = [toolsResult(vitestArgs)]
  for (const step of listSteps(vitestArgs)) {
    const result = await runStep(step)
    results.push(result)
    if (!result.stopped) continue
    finish(results)
    return exitCodeOf(result.stopped)
  }
  return finish(results)
}

/** Installs what is missing where that is possible. If it fails, the steps still run: they tell what else is wrong. */
async function provideTools() {
  const isFutile = () => findMissing().length === 0 || !canInstallPackages()
  if (isFutile()) return
  const say = line => process.stderr.write(`${line}\n`)
  await withWorkspaceLock(root, say, async lock => {
    if (isFutile()) return
    const packages = findMissing().map(tool => tool.debian)
    say(`installing ${packages.join(', ')} (apt-get)…`)
    try {
      await installPackages(packages, { cwd: root, lock })
    } catch (error) {
      if (error.exitCode !== 1) throw error
      reportPrepareError(error)
    }
  })
}

/** A missing tool fails the whole run; where only some tests are asked for, they may well not need it. */
function toolsResult(vitestArgs) {
  const failures = findMissing().map(describeMissing)
  for (const line of failures) process.stderr.write(`${line}\n`)
  const failed = vitestArgs.length > 0 ? 0 : failures.length
  return { name: 'system tools', passed: 0, failed, skipped: 0, failures }
}

async function runStep({ name, run }) {
  process.stdout.write(`\n── ${name}\n`)
  const startMs = performance.now()
  const result = await run()
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1)
  process.stdout.write(`── ${name}: ${result.failed > 0 ? 'failed' : 'passed'} in ${seconds} s\n`)
  return { name, ...result }
}

/** The failures of all steps, then, alone on the last line, the numbers; answers the exit code. */
function finish(results) {
  const sum = field => results.reduce((total, result) => total + result[field], 0)
  const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(sum)
  const failures = results.flatMap(result => result.failures.map(failure => `\n✗ ${result.name}: ${failure}`))
  process.stdout.write(
    `${failures.join('')}\n\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
  )
  return failed > 0 || passed === 0 ? 1 : 0
}
