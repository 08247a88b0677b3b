import {
  accessSync,
  constants,
  existsSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import type { Clock } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import type { Machine } from '../../engine/machine.ts'
import { describeThrown } from '../../engine/thrown.ts'
import { checkDataFile, type FileVerdict } from './file-check.ts'
import { makeFolders } from './files.ts'
import { nameUnsafeFileSystem } from './network-file-system.ts'
import { type Openers, openersOf } from './openers.ts'
import { type OpeningGate, openingGate } from './opening-gate.ts'

const dataFile = 'data.mdb'
const lockFile = 'lock.mdb'
/** What a new store takes, and some more. */
const roomBytes = 131_072

/** A store's folder, made and marked by this process. */
export interface Folder {
  readonly path: string
  readonly openers: Openers
  readonly gate: OpeningGate
  /**
   * Opens LMDB's files, once they have been looked at, while nobody commits.
   * A damaged data file is set aside, never overwritten, and that is an error: an empty store in its place would forget
   * every key without a word.
   *
   * @param isKnown whether this process has had them open until now: then they are not looked at
   * @throws {RetrysafeError} `STORE_FULL`, `STORE_INCOMPATIBLE` (a file of a newer version, a damaged file),
   * `STORE_UNAVAILABLE`
   */
  enter<Value>(open: () => Value, isKnown?: boolean): Value
  /** Whether the data file is still the one that was opened. */
  isThere(): boolean
}

/**
 * Makes or checks the folder of a store.
 *
 * @throws {RetrysafeError} `STORE_UNAVAILABLE` (no rights, no folder), `STORE_FULL`, `STORE_INCOMPATIBLE` (a network
 * file system)
 */
export function makeFolder(path: string, machine: Machine, clock: Clock): Folder {
  make(path)
  const real = realpathSync(path)
  const unsafe = nameUnsafeFileSystem(real)
  if (unsafe !== undefined) {
    throw new RetrysafeError(
      'STORE_INCOMPATIBLE',
      `${path} is on ${unsafe}: an LMDB store needs a local disk of one machine; for many machines use redis:// or postgres://`,
    )
  }
  const openers = openersOf(real, machine)
  const gate = openingGate(real, machine, openers, clock.monotonicMs)
  guard(path, () => openers.come())
  let inode: number | undefined
  const readInode = (): number | undefined => statSync(join(real, dataFile), { throwIfNoEntry: false })?.ino
  return {
    path: real,
    openers,
    gate,
    enter: (open, isKnown = false) =>
      gate.pass(() => {
        guard(path, () => {
          if (!isKnown) requireRoom(real)
          // Who has the file open vouches for it; what they write would look like damage to somebody who reads along.
          const isVouchedFor = isKnown || openers.namesOfOpen().length > 0 || openers.isOpenHere()
          if (!isVouchedFor) requireSound(real, new Date(clock.wallMs()))
          openers.stay()
        })
        const opened = open()
        inode = readInode()
        return opened
      }),
    isThere: () => readInode() === inode,
  }
}

function make(path: string): void {
  guard(path, () => {
    makeFolders(resolve(path))
    for (const file of [path, join(path, dataFile), join(path, lockFile)]) {
      if (existsSync(file)) accessSync(file, constants.R_OK | constants.W_OK)
    }
  })
}

/** LMDB maps its files: where the disk has no page left for them, the system ends the process (SIGBUS). */
function requireRoom(path: string): void {
  const probe = join(path, `room-${process.pid}`)
  try {
    writeFileSync(probe, Buffer.alloc(roomBytes, 1))
  } finally {
    rmSync(probe, { force: true })
  }
}

function requireSound(path: string, now: Date): void {
  const data = join(path, dataFile)
  if (!existsSync(data)) return
  const verdict = checkDataFile(data)
  if (verdict.kind === 'newer') throw newerVersion(data)
  if (verdict.kind === 'damaged') setAside(data, verdict, now)
}

function setAside(data: string, { why }: Extract<FileVerdict, { kind: 'damaged' }>, now: Date): never {
  const aside = `${data}.damaged-${now.toISOString().replace(/[:.]/g, '-')}`
  renameSync(data, aside)
  throw new RetrysafeError(
    'STORE_INCOMPATIBLE',
    `${data} is damaged (${why}); it was set aside as ${aside}. Put a backup in its place, or start again with an empty store: then the keys in it are forgotten`,
  )
}

export function newerVersion(data: string): RetrysafeError {
  return new RetrysafeError(
    'STORE_INCOMPATIBLE',
    `${data} was written by a newer version: upgrade this one, or give it another folder`,
  )
}

/** Runs something on the file system; its errors in our words. */
function guard<Value>(path: string, run: () => Value): Value {
  try {
    return run()
  } catch (error) {
    throw asStoreError(path, error)
  }
}

/** LMDB calls a page that was written in part an input/output error. */
function isFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize < roomBytes
}

export function fullDisk(path: string, cause?: unknown): RetrysafeError {
  return new RetrysafeError('STORE_FULL', `no space is left for ${path}: free some, or move the store`, { cause })
}

/** A file system's error in our words, with what to do. */
export function asStoreError(path: string, error: unknown): RetrysafeError {
  if (error instanceof RetrysafeError) return error
  const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : describeThrown(error)
  const code = String((error as { code?: unknown }).code ?? message)
  const isCutShort = /Input\/output error/i.test(message) && isFull(path)
  if (isCutShort || /ENOSPC|EDQUOT|EFBIG|MDB_MAP_FULL|No space left|quota|too large/i.test(`${code} ${message}`)) {
    return fullDisk(path, error)
  }
  if (/EACCES|EPERM|EROFS|Permission denied|Read-only/i.test(`${code} ${message}`)) {
    return new RetrysafeError(
      'STORE_UNAVAILABLE',
      `${path} cannot be written: give this user the right to, or name another folder`,
      {
        cause: error,
      },
    )
  }
  if (/ENOTDIR|EEXIST/.test(code)) {
    return new RetrysafeError('STORE_UNAVAILABLE', `${path} is no folder: name another one`, { cause: error })
  }
  return new RetrysafeError('STORE_UNAVAILABLE', `${path}: ${message}`, { cause: error })
}
