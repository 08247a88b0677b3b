import { accessSync, constants, existsSync, realpathSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { doubtful, type Finding, fine, wrong } from '../finding.ts'
import { asStoreError } from './folder.ts'
import { nameUnsafeFileSystem } from './network-file-system.ts'

const littleBytes = 104_857_600

/** Looks whether `folder` can hold an LMDB store. Makes nothing and opens nothing. */
export function examineFolder(folder: string): Finding[] {
  const there = nearestOf(resolve(folder))
  const state = existsSync(folder) ? 'is there' : `will be made below ${there}`
  try {
    accessSync(there, constants.R_OK | constants.W_OK | constants.X_OK)
    return [fine('folder', `${folder} ${state}`), examineFileSystem(folder, there), examineRoom(folder, there)]
  } catch (error) {
    return [wrong('folder', asStoreError(folder, error).message)]
  }
}

function examineFileSystem(folder: string, there: string): Finding {
  const unsafe = nameUnsafeFileSystem(realpathSync(there))
  if (unsafe === undefined) return fine('file system', 'a local disk, as far as the system tells')
  return wrong('file system', `${folder} is on ${unsafe}, where locks are not safe`, 'name a folder on a local disk')
}

function examineRoom(folder: string, there: string): Finding {
  const { bavail, bsize } = statfsSync(there)
  const says = `${Math.floor((bavail * bsize) / 1_048_576)} MiB are free for ${folder}`
  if (bavail * bsize >= littleBytes) return fine('room', says)
  return doubtful('room', says, 'free some, or name a folder on another disk')
}

/** The path itself, or what is there of the way to it. */
function nearestOf(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestOf(dirname(path))
}
