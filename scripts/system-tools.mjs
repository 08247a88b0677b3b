import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

/**
 * What the tests need beside Node and npm. A row for each:
 * `name` for people; `find` answers its path or undefined; `debian`, the package that has it; `env`, if there is one, a
 * variable that takes its place (the URL of a server that runs already, say), which the tests must then read.
 */
export const systemTools = [
  { name: 'curl', find: () => findOnPath('curl'), debian: 'curl' },
  { name: 'git', find: () => findOnPath('git'), debian: 'git' },
  // Certificates for upstreams of tests.
  { name: 'openssl', find: () => findOnPath('openssl'), debian: 'openssl' },
  // Spin makes a C program of the model.
  { name: 'spin', find: () => findOnPath('spin'), debian: 'spin' },
  { name: 'cc', find: () => findOnPath('cc'), debian: 'gcc' },
  { name: 'stdio.h', find: () => findHeader('stdio.h'), debian: 'libc6-dev' },
  { name: 'python3 with requests', find: () => findPython('requests'), debian: 'python3-requests' },
  // The variable: the URL of a server whose user may make databases. Tests that kill their server need the programs.
  {
    name: 'PostgreSQL 14 or newer (postgres, initdb)',
    find: () => findPostgres(),
    debian: 'postgresql',
    env: 'RETRYSAFE_TEST_POSTGRES_URL',
  },
  { name: 'PgBouncer', find: () => findPgBouncer(), debian: 'pgbouncer' },
  // The variable: the URL of one server, not of a cluster. Tests that kill their server need the program.
  {
    name: 'Redis 7.0 or newer (redis-server)',
    find: () => findRedis(),
    debian: 'redis-server',
    env: 'RETRYSAFE_TEST_REDIS_URL',
  },
  // The load balancer of tests.
  { name: 'nginx', find: () => findNginx(), debian: 'nginx' },
  // The terminal of tests.
  { name: 'tmux', find: () => findTmux(), debian: 'tmux' },
]

/** The rows of `table` that are neither found nor replaced by their variable. */
export const findMissing = () => systemTools.filter(({ env, find }) => !(env && process.env[env]) && !find())

/** One line that says how to get a missing tool. */
export function describeMissing({ name, debian, env }) {
  return `${name} is missing: put it on PATH (Debian, Ubuntu: apt-get install ${debian})${env ? `, or set ${env}` : ''}`
}

/** The first executable file `command` in the folders of PATH, or in `folders`, which are asked after it. */
export function findOnPath(command, folders = []) {
  return listOnPath(command, folders)[0]
}

/** The first Python that has `module`: one without it may stand before the one that a package manager gave it to. */
export function findPython(module) {
  const has = python => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0
  return listOnPath('python3', ['/usr/bin']).find(has)
}

const homebrew = ['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew']

/** The folder with the programs of a PostgreSQL server. Debian's packages put none of them on PATH. */
export function findPostgres() {
  const formulas = homebrew.flatMap(folder => listVersions(join(folder, 'opt'), 'postgresql'))
  const folders = [...listVersions('/usr/lib/postgresql'), ...formulas].map(folder => join(folder, 'bin'))
  return listOnPath('postgres', folders)
    .map(dirname)
    .find(folder => isExecutable(join(folder, 'initdb')) && versionOf(join(folder, 'postgres')) >= 14)
}

export function findPgBouncer() {
  return findOnPath('pgbouncer', ['/usr/sbin', ...homebrew.map(folder => join(folder, 'bin'))])
}

/** The program of a Redis server. */
export function findRedis() {
  const folders = homebrew.map(folder => join(folder, 'bin'))
  return listOnPath('redis-server', folders).find(program => versionOf(program) >= 7)
}

/** Debian's package puts it where only root's PATH looks. */
export function findNginx() {
  return findOnPath('nginx', ['/usr/sbin', '/usr/local/sbin', ...homebrew.map(folder => join(folder, 'bin'))])
}

export function findTmux() {
  return findOnPath(
    'tmux',
    homebrew.map(folder => join(folder, 'bin')),
  )
}

/** The folders whose names are `prefix` and, perhaps after an @, a number; the highest first. */
function listVersions(folder, prefix = '') {
  const version = name => Number(name.slice(prefix.length).replace('@', ''))
  try {
    const names = readdirSync(folder).filter(name => name.startsWith(prefix) && version(name) > 0)
    return names.sort((one, other) => version(other) - version(one)).map(name => join(folder, name))
  } catch {
    return []
  }
}

/** From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or from `Redis server v=7.0.15 sha=00000000:0 …`. */
function versionOf(program) {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return Number(stdout?.match(/(?:\) | v=)(\d+)/)?.[1])
}

function listOnPath(command, folders) {
  const all = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...folders]
  return all.map(folder => join(folder, command)).filter(isExecutable)
}

/** Where the C compiler finds a header of the system. */
function findHeader(name) {
  const { stdout } = spawnSync('cc', ['-E', '-'], { input: `#include <${name}>\n`, encoding: 'utf8' })
  return stdout?.match(new RegExp(`^# \\d+ "(/[^"]*/${name})"`, 'm'))?.[1]
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
