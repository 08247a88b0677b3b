import { join } from 'node:path'
import { pause, type Timers, within } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import { describeThrown } from '../../engine/thrown.ts'
import { DiskRoom, type Need } from './disk-room.ts'
import { asStoreError, type Folder, newerVersion } from './folder.ts'
import { ignoreReason, type Lmdb, loadLmdb, type OpenFile, openFile, type Table, type Tables } from './tables.ts'
import { WriteWatch } from './write-watch.ts'

/**
 * An LMDB file that is open, and the one way to write to it. Its tables are to be asked for anew after every `await`, and
 * in every write: the file may have been mapped anew meanwhile.
 */
export interface Environment extends Tables {
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
  /**
   * Maps the file anew: pages that were looked at count as memory of this process until then. Writes wait meanwhile, for
   * a few milliseconds. Does nothing while somebody else has the file open: who opens asks all others to stand still.
   */
  remap(): Promise<void>
  close(): Promise<void>
}

export interface EnvironmentOptions {
  readonly folder: Folder
  readonly timers: Timers
  readonly monotonicMs: () => number
  /** Called while writes have been stuck for a quarter of a second: somebody may hold LMDB's lock. */
  readonly stuck: () => void
}

/** Writes that have not come to an end by then may never. */
const drainMs = 2_000

/** @throws {RetrysafeError} `PEER_MISSING`, `STORE_INCOMPATIBLE`, `STORE_FULL`, `STORE_UNAVAILABLE` */
export function openEnvironment(options: EnvironmentOptions): Environment {
  const { folder } = options
  try {
    const lmdb = loadLmdb()
    return new LmdbEnvironment(options, lmdb, openFile(lmdb, folder, false))
  } catch (error) {
    folder.openers.leave()
    throw asOpenError(folder.path, error)
  }
}

class LmdbEnvironment implements Environment {
  readonly #options: EnvironmentOptions
  readonly #lmdb: Lmdb
  readonly #watch: WriteWatch
  readonly #room: DiskRoom
  /** Absent while it is mapped anew. */
  #file: OpenFile | undefined
  #remapping: Promise<void> | undefined
  /** Writes that LMDB has and that are not over. */
  #queued = 0
  #drained: () => void = () => {}
  #isClosed = false

  constructor(options: EnvironmentOptions, lmdb: Lmdb, file: OpenFile) {
    const { folder, monotonicMs } = options
    const insideBytes = (): number => freeBytesOf(this.#open())
    this.#options = options
    this.#lmdb = lmdb
    this.#file = file
    this.#watch = new WriteWatch(options)
    this.#room = new DiskRoom({ path: folder.path, monotonicMs, insideBytes })
  }

  get records(): Table {
    return this.#open().tables.records
  }

  get logs(): Table {
    return this.#open().tables.logs
  }

  get steps(): Table {
    return this.#open().tables.steps
  }

  get expiry(): Table {
    return this.#open().tables.expiry
  }

  get unknown(): Table {
    return this.#open().tables.unknown
  }

  get pairs(): Table {
    return this.#open().tables.pairs
  }

  get counters(): Table {
    return this.#open().tables.counters
  }

  get marks(): Table {
    return this.#open().tables.marks
  }

  get meta(): Table {
    return this.#open().tables.meta
  }

  lastRevision(): number {
    return this.#lmdb.getLastVersion()
  }

  refresh(): void {
    this.#watch.requireOpen()
    this.#open().root.resetReadTxn()
  }

  async commit(write: (isTight: boolean) => Promise<boolean>, need?: Need): Promise<boolean> {
    const holdMs = this.#watch.holdMs()
    if (holdMs > 0) await pause(this.#options.timers, holdMs)
    const entered = need === undefined ? false : this.#room.enter(need)
    const isTight = typeof entered === 'boolean' ? entered : await entered
    while (this.#remapping !== undefined) await this.#remapping
    const commit = this.#begin(() => write(isTight), need)
    commit.catch(ignoreReason)
    try {
      return await this.#watch.bound(commit)
    } catch (error) {
      throw await asWriteError(this.#options.folder.path, error)
    }
  }

  abandon(): void {
    this.#watch.abandon()
  }

  underLock(run: () => void): void {
    this.#open().root.transactionSync(run)
  }

  async remap(): Promise<void> {
    if (this.#remapping !== undefined || !this.#isAlone()) return
    const remapping = this.#remapAlone()
      // Whoever asks next for the file is told why it cannot be opened.
      .catch(() => {})
      .finally(() => {
        this.#remapping = undefined
      })
    this.#remapping = remapping
    await remapping
  }

  async close(): Promise<void> {
    if (!this.#watch.close()) return
    this.#isClosed = true
    await this.#remapping
    await this.#file?.root.close()
    this.#options.folder.openers.leave()
  }

  async #remapAlone(): Promise<void> {
    const { folder, timers } = this.#options
    const drained = new Promise<true>(resolve => {
      this.#drained = () => resolve(true)
    })
    if (this.#queued > 0 && (await within(drained, timers, drainMs)) === undefined) return
    const file = this.#open()
    await file.root.flushed
    // Whoever was between two writes goes on to the next, which waits.
    await pause(timers, 0)
    if (this.#queued > 0 || this.#isClosed || !this.#isAlone()) return
    // From here to the end in one turn, as nothing is left that LMDB has to wait for: nobody reads meanwhile.
    this.#file = undefined
    await file.root.close()
    folder.openers.leave()
    this.#open()
  }

  #isAlone(): boolean {
    const { openers } = this.#options.folder
    return openers.namesOfOpen().length === 0 && !openers.isOpenHere()
  }

  #open(): OpenFile {
    this.#file ??= this.#openAnew()
    return this.#file
  }

  #openAnew(): OpenFile {
    const { folder } = this.#options
    this.#watch.requireOpen()
    folder.openers.come()
    try {
      return openFile(this.#lmdb, folder, true)
    } catch (error) {
      folder.openers.leave()
      throw asOpenError(folder.path, error)
    }
  }

  #begin(write: () => Promise<boolean>, need: Need | undefined): Promise<boolean> {
    const over = (): void => {
      if (need !== undefined) this.#room.leave(need)
      if (--this.#queued === 0) this.#drained()
    }
    this.#queued++
    try {
      const commit = this.#watch.begin(write)
      commit.then(over, over)
      return commit
    } catch (error) {
      over()
      throw error
    }
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
function freeBytesOf({ root, tables }: OpenFile): number {
  const { pageSize, lastPageNumber, root: names, free } = root.getStats() as FileStats
  const all = [names, free, ...Object.values<Table>({ ...tables }).map(each => each.getStats() as TableStats)]
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

/** LMDB tells why a commit failed by a promise of its own, which rejects. */
async function asWriteError(path: string, error: unknown): Promise<RetrysafeError> {
  const { commitError } = error as { commitError?: Promise<unknown> }
  const reason = await (commitError ?? Promise.reject(error)).catch((cause: unknown) => cause)
  return asStoreError(path, reason)
}
