import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { PrepareError } from './prepare-error.mjs'
import { runQuietly } from './quiet-command.mjs'
import { findOnPath } from './system-tools.mjs'

const mark = '# made by retrysafe for the time of one apt-get; may be deleted'
// invoke-rc.d(8): 101 says that the action is forbidden; the installation then goes on without starting the service.
const servicePolicy = { file: '/usr/sbin/policy-rc.d', text: `#!/bin/sh\n${mark}\nexit 101\n` }
// pg_createcluster(1): the first installation of a PostgreSQL makes a cluster of the machine's own unless this says no.
const clusterPolicy = {
  package: 'postgresql',
  file: '/etc/postgresql-common/createcluster.conf',
  text: `${mark}\ncreate_main_cluster = false\n`,
  original: '/usr/share/postgresql-common/createcluster.conf',
}

/** True where this process may install packages: as root, on Debian or one of its children, with apt-get. */
export function canInstallPackages() {
  return (
    process.getuid?.() === 0 &&
    findOnPath('apt-get') !== undefined &&
    /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(osRelease())
  )
}

/** Installs `packages` without starting the services that they bring, and without data for them. */
export async function installPackages(packages, { cwd, lock }) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const advice = 'see the message above, or install the packages by hand'
  const aptGet = (...args) =>
    runQuietly('apt-get', ['apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args], { cwd, env, advice, lock })
  // A source out of reach need not be the one that has the packages: only the installation decides.
  const update = await aptGet('update').catch(error => error)
  if (update?.exitCode > 1) throw update
  const isNeeded = policy => policy.package === undefined || packages.includes(policy.package)
  const policies = [servicePolicy, clusterPolicy].filter(isNeeded).filter(impose)
  try {
    await aptGet('install', '-y', '--no-install-recommends', ...packages)
  } catch (error) {
    throw new PrepareError(error.message, { ...error, output: `${update?.output ?? ''}${error.output}` })
  } finally {
    for (const policy of policies) lift(policy)
  }
}

/** False where there is one already: its owner's decision. One of ours may be left from a run that was killed. */
function impose({ file, text }) {
  mkdirSync(dirname(file), { recursive: true })
  try {
    writeFileSync(file, text, { mode: 0o755, flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return readFileSync(file, 'latin1').includes(mark)
  }
}

/** As if it had never been there: what the packages would have put in its place is put there. */
function lift({ file, original }) {
  // ucf(1) lays the packages' own beside one that it finds.
  for (const name of [file, `${file}.ucf-dist`]) rmSync(name, { force: true })
  if (original !== undefined && existsSync(original)) copyFileSync(original, file)
}

function osRelease() {
  try {
    return readFileSync('/etc/os-release', 'utf8')
  } catch {
    return ''
  }
}
