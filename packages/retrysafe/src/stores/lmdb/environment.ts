import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { pause, type Timers } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import { describeThrown } from '../../engine/thrown.ts'
import { requirePeer } from '../peer.ts'
import { DiskRoom, type Need } from './disk-room.ts'
import { asStoreError, type Folder, newerVersion } from './folder.ts'
import { rowFormat } from './row-codec.ts'
import { WriteWatch } from './write-watch.ts'

/** A table of bytes under bytes; rows that are changed conditionally carry a revision. */
export type Table = Database<Buffer, Buffer>

/** An LMDB file that is open, and the one way to write to it. */
export interface Environment {
  readonly records: Table
  readonly logs: Table
  readonly steps: Table
  readonly expiry: Table
  readonly unknown: Table
  readonly pairs: Table
  readonly counters: Table
  readonly marks: Table
  readonly meta: Table
  /** The revision that came with the last `getBinary` of a table with revisions. */
  lastRevision(): number
  /**
   * Reads from here on see everything that was committed before.
   *
   * @throws {RetrysafeError} `STORE_UNAVAILABLE` once it is closed
   */
  refresh(): void
  /**
   * Queues a conditional write; all its parts are committed together or not at all, and on the disk when it resolves.
   *
   * @param write queues the write, and answers LMDB's promise: false when the condition did not hold. `isTight`: its
   * values should be small enough to lie in single pages
   * @param need what it takes of the disk; absent: hardly anything, so that it is tried in any case
   * @throws {RetrysafeError} `STORE_UNAVAILABLE` after 2 s, `STORE_FULL`
   */
  commit(write: (isTight: boolean) => Promise<boolean>, need?: Need): Promise<boolean>
  /** From now on every step is refused: the files in the folder are not the ones that are open. */
  abandon(): void
  /** Runs something while no process can commit. */
  underLock(run: () => void): void
  close(): Promise<void>
}

interface Lmdb {
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

export interface EnvironmentOptions {
  readonly folder: Folder
  readonly timers: Timers
  readonly monotonicMs: () => number
  /** Called while writes have been stuck for a quarter of a second: somebody may hold LMDB's lock. */
  readonly stuck: () => void
}

/** @throws {RetrysafeError} `PEER_MISSING`, `STORE_INCOMPATIBLE`, `STORE_FULL`, `STORE_UNAVAILABLE` */
export function openEnvironment(options: EnvironmentOptions): Environment {
  const { folder } = options
  let opened: RootDatabase<Buffer, Buffer> | undefined
  try {
    const lmdb = requirePeer('lmdb', 'an LMDB store') as Lmdb
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
    const Root = folder.enter(() => lmdb.openAsClass(settings))
    const root = new Root(null, settings)
    opened = root
    // LMDB's batch of a turn has a promise of its own: unless somebody holds it, a full disk ends the process.
    root.on('beforecommit', () => queueMicrotask(() => void root.committed.then(ignore, ignoreReason)))
    const watch = new WriteWatch(options)
    const table = (name: string, kind: typeof plain | typeof revised): Table => root.openDB({ name, ...kind })
    const meta = table('meta', plain)
    requireFormat(meta, join(folder.path, 'data.mdb'))
    const tables = {
      records: table('records', revised),
      logs: table('logs', plain),
      steps: table('steps', plain),
      expiry: table('expiry', plain),
      unknown: table('unknown', plain),
      pairs: table('pairs', revised),
      counters: table('counters', revised),
      marks: table('marks', plain),
      meta,
    }
    const insideBytes = (): number => freeBytesOf(root, Object.values(tables))
    const room = new DiskRoom({ path: folder.path, monotonicMs: options.monotonicMs, insideBytes })
    return {
      ...tables,
      lastRevision: () => lmdb.getLastVersion(),
      refresh() {
        watch.requireOpen()
        root.resetReadTxn()
      },
      async commit(write, need) {
        const holdMs = watch.holdMs()
        if (holdMs > 0) await pause(options.timers, holdMs)
        const entered = need === undefined ? false : room.enter(need)
        const isTight = typeof entered === 'boolean' ? entered : await entered
        const leave = (): void => (need === undefined ? undefined : room.leave(need))
        const commit = begin(watch, () => write(isTight), leave)
        commit.catch(ignoreReason)
        try {
          return await watch.bound(commit)
        } catch (error) {
          throw await asWriteError(folder.path, error)
        }
      },
      abandon: () => watch.abandon(),
      underLock: run => root.transactionSync(run),
      async close() {
        if (!watch.close()) return
        await root.close()
        folder.openers.leave()
      },
    }
  } catch (error) {
    void opened?.close()
    folder.openers.leave()
    throw asOpenError(folder.path, error)
  }
}

/** @param over called when it is over, also where that is after its time-out */
function begin(watch: WriteWatch, write: () => Promise<boolean>, over: () => void): Promise<boolean> {
  try {
    const commit = watch.begin(write)
    commit.then(over, over)
    return commit
  } catch (error) {
    over()
    throw error
  }
}

interface TableStats {
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

interface FileStats {
  readonly pageSize: number
  readonly lastPageNumber: number
  /** Of the table that names the tables, and of the one that names free pages. */
  readonly root: TableStats
  readonly free: TableStats
}

/** What of the file is no table's: LMDB writes there before the file grows. */
function freeBytesOf(root: RootDatabase<Buffer, Buffer>, tables: readonly Table[]): number {
  const { pageSize, lastPageNumber, root: names, free } = root.getStats() as FileStats
  const all = [names, free, ...tables.map(each => each.getStats() as TableStats)]
  const used = all.reduce(
    (pages, each) => pages + each.treeBranchPageCount + each.treeLeafPageCount + each.overflowPages,
    2,
  )
  return Math.max(0, lastPageNumber + 1 - used) * pageSize
}

/** Any number that the entry has not had: a late condition must not hold for one that was made anew. */
export function drawRevision(random: () => number): number {
  return 1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1))
}

function requireFormat(meta: Table, data: string): void {
  const key = Buffer.from('format')
  const format = meta.get(key)
  if (format === undefined) meta.putSync(key, Buffer.from(String(rowFormat)))
  else if (Number(format.toString()) > rowFormat) throw newerVersion(data)
}

function asOpenError(path: string, error: unknown): RetrysafeError {
  const message = error instanceof Error ? error.message : describeThrown(error)
  if (/MDB_VERSION_MISMATCH/.test(message)) return newerVersion(join(path, 'data.mdb'))
  if (/MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|PANIC)/.test(message)) {
    return new RetrysafeError(
      'STORE_INCOMPATIBLE',
      `${path} is damaged (${message}): move its files away, or put a backup in their place`,
      { cause: error },
    )
  }
  return asStoreError(path, error)
}

function ignore(): void {}

/** The reason of a failed commit is a promise that rejects, whether somebody asks for it or not. */
function ignoreReason(error: unknown): void {
  ;(error as { commitError?: Promise<unknown> }).commitError?.catch(ignore)
}

/** LMDB tells why a commit failed by a promise of its own, which rejects. */
async function asWriteError(path: string, error: unknown): Promise<RetrysafeError> {
  const { commitError } = error as { commitError?: Promise<unknown> }
  const reason = await (commitError ?? Promise.reject(error)).catch((cause: unknown) => cause)
  return asStoreError(path, reason)
}
