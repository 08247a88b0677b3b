import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { PrepareError } from './prepare-error.mjs'
import { runQuietly } from './quiet-command.mjs'
import { findOnPath } from './system-tools.mjs'

const policyFile = '/usr/sbin/policy-rc.d'
const policyMark = '# made by retrysafe for the time of one apt-get; may be deleted'
// invoke-rc.d(8): 101 says that the action is forbidden; the installation then goes on without starting the service.
const policy = `#!/bin/sh\n${policyMark}\nexit 101\n`

/** True where this process may install packages: as root, on Debian or one of its children, with apt-get. */
export function canInstallPackages() {
  return (
    process.getuid?.() === 0 &&
    findOnPath('apt-get') !== undefined &&
    /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(osRelease())
  )
}

/** Installs `packages` without starting the services that they bring. */
export async function installPackages(packages, { cwd, lock }) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const advice = 'see the message above, or install the packages by hand'
  const aptGet = (...args) =>
    runQuietly('apt-get', ['apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args], { cwd, env, advice, lock })
  // A source out of reach need not be the one that has the packages: only the installation decides.
  const update = await aptGet('update').catch(error => error)
  if (update?.exitCode > 1) throw update
  const allowServices = denyServices()
  try {
    await aptGet('install', '-y', '--no-install-recommends', ...packages)
  } catch (error) {
    throw new PrepareError(error.message, { ...error, output: `${update?.output ?? ''}${error.output}` })
  } finally {
    allowServices()
  }
}

/** A policy that is there already is its owner's decision; one of ours may be left from a run that was killed. */
function denyServices() {
  try {
    writeFileSync(policyFile, policy, { mode: 0o755, flag: 'wx' })
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    if (!readFileSync(policyFile, 'latin1').includes(policyMark)) return () => {}
  }
  return () => rmSync(policyFile, { force: true })
}

function osRelease() {
  try {
    return readFileSync('/etc/os-release', 'utf8')
  } catch {
    return ''
  }
}
