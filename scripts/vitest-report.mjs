import { writeFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'

/** The variable that names the file. */
export const reportVariable = 'RETRYSAFE_VITEST_REPORT'

const mostLines = 12
const mostColumns = 300

/**
 * Writes what counts of a run: `{ passed, skipped, total, failures: [{ file, name, why }] }`, the passed ones by file.
 * vitest's own JSON has no errors that no test caught. A failure has no `file` where nobody knows it.
 */
// biome-ignore lint/style/noDefaultExport: vitest takes a reporter's file so.
export default class CountsReporter {
  onTestRunEnd(modules, unhandled) {
    const failures = [...modules.flatMap(failuresOf), ...unhandled.map(uncaught)]
    const passed = Object.fromEntries(modules.map(module => [module.moduleId, countIn([module], 'passed')]))
    const counts = { passed, skipped: countIn(modules, 'skipped'), total: countIn(modules), failures }
    writeFileSync(process.env[reportVariable], JSON.stringify(counts))
  }
}

function countIn(modules, state) {
  return modules.reduce((sum, module) => sum + [...module.children.allTests(state)].length, 0)
}

function failuresOf(module) {
  const file = module.moduleId
  const failed = [...module.children.allTests('failed')].map(test => {
    return { file, name: test.fullName, why: describe(test.result().errors) }
  })
  const suites = [module, ...module.children.allSuites()]
  const broken = suites.flatMap(suite => suite.errors())
  if (broken.length > 0)
    failed.push({ file, name: `${module.relativeModuleId} could not be run`, why: describe(broken) })
  return failed
}

function uncaught(error) {
  return { file: error.VITEST_TEST_PATH, name: 'an error that no test caught', why: describe([error]) }
}

function describe(errors = []) {
  const text = errors.map(({ message, diff, stack }) => diff ?? stack ?? message ?? '').join('\n')
  const lines = stripVTControlCharacters(`${errors[0]?.message ?? 'no reason given'}\n${text}`).split('\n')
  return lines.slice(0, mostLines).map(line => line.slice(0, mostColumns))
}
