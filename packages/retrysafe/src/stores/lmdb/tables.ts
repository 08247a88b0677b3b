import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { requirePeer } from '../peer.ts'
import { type Folder, newerVersion } from './folder.ts'
import { rowFormat } from './row-codec.ts'

/** A table of bytes under bytes; rows that are changed conditionally carry a revision. */
export type Table = Database<Buffer, Buffer>

/** All tables of a file. */
export interface Tables {
  readonly records: Table
  readonly logs: Table
  readonly steps: Table
  readonly expiry: Table
  readonly unknown: Table
  readonly pairs: Table
  readonly counters: Table
  readonly marks: Table
  readonly meta: Table
}

/** LMDB's file, mapped into this process. */
export interface OpenFile {
  readonly root: RootDatabase<Buffer, Buffer>
  readonly tables: Tables
}

/** The package, as far as it is used. */
export interface Lmdb {
  /** Opens the files; the class's constructor begins the first transaction. */
  openAsClass(options: object): new (name: null, options: object) => RootDatabase<Buffer, Buffer>
  getLastVersion(): number
}

const plain = { encoding: 'binary', keyEncoding: 'binary' } as const
const revised = { ...plain, useVersions: true } as const

/**
 * Addresses that are set aside for the file, and no memory: where it outgrows them lmdb maps it once more, and keeps the
 * old map, so that a process would seem to hold each page twice. On Windows a file would be made as large.
 */
const mappedBytes = 68_719_476_736

/** @throws {RetrysafeError} `PEER_MISSING` */
export function loadLmdb(): Lmdb {
  return requirePeer('lmdb', 'an LMDB store') as Lmdb
}

/**
 * Opens the file of a folder, and makes its tables.
 *
 * @param isKnown whether this process has had it open until now, and need not look whether it is whole
 * @throws what LMDB throws; {RetrysafeError} as `Folder.enter` does
 */
export function openFile(lmdb: Lmdb, folder: Folder, isKnown: boolean): OpenFile {
  const settings = {
    ...plain,
    path: folder.path,
    // A folder may well have a dot in its name.
    noSubdir: false,
    maxDbs: 12,
    ...(process.platform !== 'win32' && { mapSize: mappedBytes }),
    // What is visible is on the disk. And with `overlappingSync` a process that is killed can undo others' commits.
    overlappingSync: false,
    // A batch that LMDB began before it was whole would hold the lock while this thread writes the rest of it.
    batchStartThreshold: 1_000_000_000,
  }
  // Whoever holds LMDB's lock for us lets go of it before the first transaction.
  const Root = folder.enter(() => lmdb.openAsClass({ ...settings }), isKnown)
  // Without `isRoot` the file would stay mapped when it is closed.
  const root = new Root(null, { ...settings, isRoot: true })
  try {
    // LMDB's batch of a turn has a promise of its own: unless somebody holds it, a full disk ends the process.
    root.on('beforecommit', () => queueMicrotask(() => void root.committed.then(ignore, ignoreReason)))
    const table = (name: string, kind: typeof plain | typeof revised): Table => root.openDB({ name, ...kind })
    const meta = table('meta', plain)
    requireFormat(meta, join(folder.path, 'data.mdb'))
    return {
      root,
      tables: {
        records: table('records', revised),
        logs: table('logs', plain),
        steps: table('steps', plain),
        expiry: table('expiry', plain),
        unknown: table('unknown', plain),
        pairs: table('pairs', revised),
        counters: table('counters', revised),
        marks: table('marks', plain),
        meta,
      },
    }
  } catch (error) {
    void root.close()
    throw error
  }
}

function requireFormat(meta: Table, data: string): void {
  const key = Buffer.from('format')
  const format = meta.get(key)
  if (format === undefined) meta.putSync(key, Buffer.from(String(rowFormat)))
  else if (Number(format.toString()) > rowFormat) throw newerVersion(data)
}

function ignore(): void {}

/** The reason of a failed commit is a promise that rejects, whether somebody asks for it or not. */
export function ignoreReason(error: unknown): void {
  ;(error as { commitError?: Promise<unknown> }).commitError?.catch(ignore)
}
