import { join } from 'node:path'
import { createVitest } from 'vitest/node'

/**
 * vitest in a process of its own, which runs one suite after the other in its working directory: what does not change
 * between two is read and compiled once. Each suite has fresh workers and ends with its first failure.
 *
 * A question: a suite's `files`, `pattern` and `env`, and the files that `changed` since the last one. The answer: how
 * many tests passed, what failed, and why a file could not be loaded.
 */
const cwd = process.cwd()
const options = { root: cwd, watch: false, reporters: [{}], maxWorkers: 1, bail: 1, cache: false }
const vitest = await createVitest('test', options)

process.on('disconnect', () => process.exit())
process.on('message', async question => process.send(await answer(question).catch(tellProblem)))

async function answer({ files, pattern, env = {}, changed }) {
  for (const path of changed) vitest.invalidateFile(join(cwd, path))
  if (pattern === undefined) vitest.resetGlobalTestNamePattern()
  else vitest.setGlobalTestNamePattern(pattern)
  vitest.config.env = env
  const specifications = await vitest.globTestSpecifications(files)
  const { testModules: all, unhandledErrors } = await vitest.runTestSpecifications(specifications)
  // It remembers all that it ever ran.
  const testModules = all.filter(module => specifications.some(({ moduleId }) => moduleId === module.moduleId))
  const tests = testModules.flatMap(module => [...module.children.allTests()])
  const notLoaded = testModules.flatMap(module => module.errors())
  const isOver = state => test => test.result().state === state
  return {
    passed: tests.filter(isOver('passed')).length,
    failed: tests.filter(isOver('failed')).map(describeFailure),
    problem: notLoaded.map(textOf).at(0),
    said: unhandledErrors.map(textOf).join('\n'),
  }
}

function describeFailure(test) {
  const [error] = test.result().errors
  return { test: test.fullName.replaceAll(' > ', ' '), message: error === undefined ? '' : textOf(error) }
}

function tellProblem(error) {
  return { passed: 0, failed: [], problem: textOf(error), said: '' }
}

function textOf(error) {
  return String(error.stack || error.message || error)
}
