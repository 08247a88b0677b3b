import { hash } from 'node:crypto'
import {
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { pause, type Timers } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import { type Machine, placeOf, readMachine } from '../../engine/machine.ts'

/** An owner that cannot be seen from here is gone when it has not beaten for so long, by the file system's clock. */
const silentMs = 60_000

/** Who holds an output. */
export interface LockOwner {
  readonly processName: string
  readonly pid: number
  readonly host: string
}

/** One runner an output: whoever has this is it. */
export interface OutputLock {
  /** To be called about once a second. @returns false when somebody else has taken over: stop writing */
  beat(): boolean
  release(): void
}

/** Of a lock whose owner cannot be seen: it may live, or may be silent for good. */
const lookAgainMs = 500

/**
 * Takes `OUT.lock`, or takes it over from a process that is gone; of any number who try at once one has it. An owner
 * that cannot be seen from here, such as one in a container that was replaced by this one, is watched: it is refused
 * for as soon as it beats, and taken over from when it has been silent for a minute.
 *
 * @param onWait hears of the wait
 * @throws {RetrysafeError} `CONFIG_INVALID`: somebody has it
 */
export async function awaitOutputLock(
  output: string,
  timers: Timers,
  onWait: (message: string) => void,
  machine: Machine = readMachine(),
): Promise<OutputLock> {
  const path = `${output}.lock`
  let watched: number | undefined
  for (;;) {
    const beatMs = modifiedMs(path)
    const taken = takeOutputLock(output, machine)
    if (taken.kind === 'taken') return taken.lock
    const { owner } = taken
    const isUnseen = owner !== unknownOwner && placeOf(owner.processName) !== placeOf(machine.processName)
    if (!isUnseen || (watched !== undefined && beatMs !== watched)) throw refusal(path, output, owner)
    if (watched === undefined) {
      onWait(
        `the process ${owner.pid} on ${owner.host} has ${output}, and cannot be seen from here: waiting a minute for a sign of it`,
      )
    }
    watched = beatMs
    await pause(timers, lookAgainMs)
  }
}

/** What came of trying for an output. */
export type TakenLock =
  | { readonly kind: 'taken'; readonly lock: OutputLock }
  | { readonly kind: 'held'; readonly owner: LockOwner }

/** The same, without a wait. */
export function takeOutputLock(output: string, machine: Machine = readMachine()): TakenLock {
  const path = `${output}.lock`
  const own: LockOwner = { processName: machine.processName, pid: process.pid, host: hostname() }
  const text = JSON.stringify(own)
  const owner = acquire(path, text, machine)
  if (owner !== undefined) return { kind: 'held', owner }
  // Beats go to this file, whatever has come to lie at its path.
  const file = openSync(path, 'r+')
  const isOurs = (): boolean => readText(path) === text
  const lock: OutputLock = {
    beat() {
      try {
        writeSync(file, text, 0)
        return isOurs()
      } catch {
        // A disk that fails does not make it somebody else's.
        return true
      }
    },
    release() {
      closeSync(file)
      try {
        if (isOurs()) rmSync(path, { force: true })
      } catch {
        // What lies there now is not ours to take away.
      }
    },
  }
  return { kind: 'taken', lock }
}

/** Who holds the output, if anybody lives that does. */
export function findOutputOwner(output: string, machine: Machine = readMachine()): LockOwner | undefined {
  const path = `${output}.lock`
  const owner = readOwner(readText(path))
  return owner === undefined || isGone(path, owner, machine) ? undefined : owner
}

/**
 * A lock is made whole, or not at all, and only where there is none. One whose owner is gone is replaced by whoever gets
 * the lock that is named for that owner: it makes sure that the old one still lies there, and puts its own in its place,
 * which frees the name. Whoever comes late to that name finds another lock than it knew, and begins anew. Whoever dies
 * in between leaves a lock like any other.
 *
 * @returns the owner that lives, or `undefined`: it is ours
 */
function acquire(path: string, text: string, machine: Machine): LockOwner | undefined {
  for (;;) {
    if (createWhole(path, text)) return undefined
    const found = readText(path)
    if (found === undefined) continue
    const owner = readOwner(found)
    if (owner === undefined) return unknownOwner
    if (!isGone(path, owner, machine)) return owner
    const successor = `${path}.${shortHash(found)}`
    const other = acquire(successor, text, machine)
    if (other !== undefined) return other
    if (readText(path) === found) {
      renameSync(successor, path)
      return undefined
    }
    rmSync(successor, { force: true })
  }
}

const unknownOwner: LockOwner = { processName: '', pid: 0, host: '' }

/** @returns false when something lies there */
function createWhole(path: string, text: string): boolean {
  // In containers that share a folder pids are equal; the text names the process.
  const draft = `${path}.${shortHash(text)}.draft`
  try {
    writeFileSync(draft, text)
    try {
      linkSync(draft, path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return false
      // A file system without links: whoever reads it half written does not know its owner, and refuses.
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error
      writeFileSync(path, text, { flag: 'wx' })
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw new RetrysafeError('CONFIG_INVALID', `${path} cannot be written: ${codeOf(error)}`, { cause: error })
  } finally {
    rmSync(draft, { force: true })
  }
}

function isGone(path: string, owner: LockOwner, machine: Machine): boolean {
  if (machine.isGone(owner.processName)) return true
  if (placeOf(owner.processName) === placeOf(machine.processName) && owner.host === hostname()) {
    // Elsewhere than on Linux a pid is all there is; another process may have it now, and then we wait for nothing.
    return process.platform !== 'linux' && !isThere(owner.pid)
  }
  return silenceMs(path) > silentMs
}

/** How long ago the lock's owner has beaten. Both times are the file system's own: no two clocks are compared. */
function silenceMs(path: string): number {
  const probe = `${path}.${process.pid}.now`
  try {
    writeFileSync(probe, '')
    return statSync(probe).mtimeMs - statSync(path).mtimeMs
  } catch {
    return 0
  } finally {
    rmSync(probe, { force: true })
  }
}

function modifiedMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

function shortHash(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 16)
}

function readText(path: string): string | undefined {
  const there = lstatSync(path, { throwIfNoEntry: false })
  // A link to nothing is in the way and cannot be read: it would be tried for ever. A pipe would be read for ever.
  if (there !== undefined && !there.isFile())
    throw new RetrysafeError('CONFIG_INVALID', `${path} is no file, and in the way of a lock: take it away`)
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new RetrysafeError('CONFIG_INVALID', `${path} cannot be read: ${codeOf(error)}`, { cause: error })
  }
}

function readOwner(text: string | undefined): LockOwner | undefined {
  try {
    const { processName, pid, host } = JSON.parse(text ?? '') as LockOwner
    if (typeof processName !== 'string' || typeof host !== 'string' || !Number.isInteger(pid)) return undefined
    return { processName, pid, host }
  } catch {
    return undefined
  }
}

function refusal(path: string, output: string, { pid, host }: LockOwner): RetrysafeError {
  const who = pid === 0 ? 'somebody' : `the process ${pid} on ${host}`
  const advice = `let it end, or, if nothing runs there, delete ${path}`
  return new RetrysafeError('CONFIG_INVALID', `${output} is being written by ${who}: ${advice}`)
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? error)
}
