import { readFileSync } from 'node:fs'

/**
 * The numbers in the file that vitest's JSON reporter wrote, and the names of what failed.
 * Silence is failure: no file, no tests, a test file that could not be loaded, or an exit code that no failed test
 * explains, each count as failed.
 */
export function readVitestCounts(path, exitCode) {
  const report = readReport(path)
  if (!report) return { passed: 0, failed: 1, skipped: 0, failures: [`vitest wrote no results (exit ${exitCode})`] }
  const failures = report.testResults.flatMap(failuresOfFile)
  if (failures.length === 0 && report.numTotalTests === 0) failures.push('vitest found no tests')
  if (failures.length === 0 && exitCode !== 0) failures.push(`vitest ended with exit ${exitCode}, see above`)
  const skipped = report.numPendingTests + report.numTodoTests
  return { passed: report.numPassedTests, failed: failures.length, skipped, failures }
}

function failuresOfFile({ name, status, assertionResults }) {
  const failed = assertionResults.filter(test => test.status === 'failed').map(test => test.fullName)
  return failed.length === 0 && status === 'failed' ? [`${name} could not be run`] : failed
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
