import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Runs `work` while no other process installs or builds in the checkout `root`.
 *
 * The lock is a directory that holds one empty directory, `<pid>-<start time>`, for each process at work under it.
 * It is taken by renaming a filled directory onto it, which fails while anybody is named there: so it is never held
 * without a name, and clearing away the dead cannot hurt the living. git does not see empty directories.
 */
export async function withWorkspaceLock(root, say, work) {
  const lock = join(root, '.retrysafe-lock')
  for (let waiting = false; !take(lock); waiting = true) {
    if (!waiting) say(`waiting for another npm start or npm test in this checkout (process ${holders(lock)})…`)
    await delay(200)
  }
  try {
    return await work({ enter: pid => enter(lock, pid) })
  } finally {
    leave(lock, nameOf(process.pid))
    removeIfEmpty(lock)
  }
}

function take(lock) {
  for (const name of names(lock)) if (!isAlive(name)) leave(lock, name)
  removeIfEmpty(lock)
  const mine = `${lock}-${process.pid}`
  mkdirSync(join(mine, nameOf(process.pid)), { recursive: true })
  try {
    renameSync(mine, lock)
    return true
  } catch (error) {
    rmSync(mine, { recursive: true, force: true })
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false
    throw error
  }
}

function enter(lock, pid) {
  const name = nameOf(pid)
  mkdirSync(join(lock, name), { recursive: true })
  return () => leave(lock, name)
}

function leave(lock, name) {
  removeIfEmpty(join(lock, name))
}

function removeIfEmpty(directory) {
  try {
    rmdirSync(directory)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error
  }
}

function names(lock) {
  try {
    return readdirSync(lock)
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

const holders = lock =>
  names(lock)
    .map(name => name.split('-')[0])
    .join(', ')

// The start time tells a process from a later one with the same number: in containers the numbers come again soon.
const nameOf = pid => `${pid}-${procStat(pid)?.startTicks ?? 0}`

function isAlive(name) {
  const [pid, startTicks] = name.split('-')
  if (procStat('self')) {
    const stat = procStat(pid)
    return stat !== undefined && stat.state !== 'Z' && stat.startTicks === startTicks
  }
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Linux only (proc(5)); undefined elsewhere, or when there is no such process. */
function procStat(pid) {
  try {
    const text = readFileSync(join('/proc', String(pid), 'stat'), 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0], startTicks: fields[19] }
  } catch {
    return undefined
  }
}
