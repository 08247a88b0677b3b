import { join } from 'node:path'
import { install, reasonToInstall } from './dependencies.mjs'
import { root } from './prepare.mjs'
import { withWorkspaceLock } from './workspace-lock.mjs'

const folder = join(root, 'test', 'sdk', 'newest')

/**
 * Installs the newest SDKs, with the Nodes that they need, where they are missing or their lock has changed; about
 * 500 MB. Does nothing, quickly, when there is nothing to do. Progress goes to stderr.
 * @throws {PrepareError} npm failed
 */
export async function provideNewestSdks() {
  if (!reasonToInstall(folder)) return
  const say = line => process.stderr.write(`${line}\n`)
  await withWorkspaceLock(root, say, async lock => {
    const reason = reasonToInstall(folder)
    if (!reason) return
    say(`installing the newest SDKs, with Node 22 and 24 (${reason})…`)
    await install(folder, lock)
  })
}
