import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, isBuilt } from './compile.mjs'
import { install, reasonToInstall } from './dependencies.mjs'
import { PrepareError } from './prepare-error.mjs'
import { withWorkspaceLock } from './workspace-lock.mjs'

/** The top of the checkout. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Installs what is missing and builds what changed; does nothing, quickly, when there is nothing to do.
 * Progress goes to stderr, unless `quiet`.
 * @throws {PrepareError} Node is too old, or npm or tsc failed
 */
export async function prepare({ quiet = false } = {}) {
  requireNode()
  if (!reasonToInstall(root) && isBuilt(root)) return
  const say = quiet ? () => {} : line => process.stderr.write(`${line}\n`)
  await withWorkspaceLock(root, say, async lock => {
    const reason = reasonToInstall(root)
    if (reason) {
      say(`installing dependencies (${reason})…`)
      await install(root, lock)
    }
    if (!isBuilt(root)) {
      say('building…')
      await build(root, lock)
    }
  })
}

/** `prepare`, for a script that cannot go on without: shows the error whole and ends the process. */
export async function prepareOrExit(options) {
  try {
    await prepare(options)
  } catch (error) {
    process.exit(reportPrepareError(error))
  }
}

/** Shows on stderr what stopped the preparation; answers with the exit code that it asks for. */
export function reportPrepareError(error) {
  if (!(error instanceof PrepareError)) throw error
  process.stderr.write(`${error.output}${error.output && !error.output.endsWith('\n') ? '\n' : ''}${error.message}\n`)
  return error.exitCode
}

function requireNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const [major, minor] = engines.node.match(/\d+/g).map(Number)
  const [ourMajor, ourMinor] = process.versions.node.split('.').map(Number)
  if (ourMajor > major || (ourMajor === major && ourMinor >= minor)) return
  throw new PrepareError(
    `Retrysafe needs Node ${engines.node}; this is ${process.version}. Get a newer one: nodejs.org`,
  )
}
