import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withNpmCache } from './npm-cache.mjs'
import { runQuietly } from './quiet-command.mjs'

// npm writes this file last, so a tree that has it is whole. It lists what is really installed.
const hiddenLock = join('node_modules', '.package-lock.json')
const stamp = join('node_modules', '.retrysafe-install')
const platform = `${process.platform}-${process.arch}`

/**
 * Why dependencies must be installed, or undefined.
 * Contents are compared, not times: a `git checkout` that only touches files, or an `npm install` by hand, costs nothing.
 */
export function reasonToInstall(root) {
  const installed = readJson(join(root, hiddenLock))
  if (!installed) return 'first run'
  const installedFor = readText(join(root, stamp))
  if (installedFor !== undefined && installedFor !== platform) return 'another platform'
  const locked = readJson(join(root, 'package-lock.json'))
  if (!locked || !agree(root, locked.packages, installed.packages)) return 'node_modules differs from package-lock.json'
  if (installedFor === undefined) writeFileSync(join(root, stamp), platform)
  return undefined
}

/** `npm ci`. What says that the tree is whole goes first and comes back last: a half-finished install is done again. */
export async function install(root, lock) {
  for (const file of [stamp, hiddenLock]) rmSync(join(root, file), { force: true })
  // Both flags undo what an outer `npm test --silent` or NODE_ENV=production would hand down.
  const flags = ['--loglevel=error', '--include=dev']
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js') ? [process.execPath, process.env.npm_execpath] : ['npm']
  const advice = 'see the message above (is the npm registry within reach?), then run the same command again'
  const options = { cwd: root, advice, lock }
  await withNpmCache(env => runQuietly('npm ci', [...npm, 'ci', ...flags], { ...options, env }))
  writeFileSync(join(root, stamp), platform)
}

/** What is locked is there, except what is optional and not for this platform; and nothing else is. */
function agree(root, locked, installed) {
  const inTree = ([path]) => path.includes('node_modules/')
  const isMissing = ([path, entry]) =>
    !(path in installed) ? !(entry.optional || entry.devOptional) : !existsSync(join(root, path, 'package.json'))
  const differs = ([path, entry]) =>
    !locked[path] || ['version', 'integrity', 'resolved', 'link'].some(field => entry[field] !== locked[path][field])
  const isWrong = (entries, test) => Object.entries(entries).filter(inTree).some(test)
  return !isWrong(locked, isMissing) && !isWrong(installed, differs)
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function readJson(path) {
  try {
    return JSON.parse(readText(path))
  } catch {
    return undefined
  }
}
