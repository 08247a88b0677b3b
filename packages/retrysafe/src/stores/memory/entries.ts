import { RetrysafeError } from '../../engine/errors.ts'
import type { StoreKey } from '../../engine/record.ts'
import { isExpired, type Row, type StoreTime } from '../row/row.ts'
import type { StoredStep } from '../row/step.ts'
import { ChunkLog } from './chunk-log.ts'
import { ExpiryHeap } from './expiry-heap.ts'

/** One record with everything that belongs to it. */
export interface Entry {
  row: Row
  readonly log: ChunkLog
  /** Made with the first step: most records have none. */
  steps: Map<string, StoredStep> | undefined
  /** The earliest time at which the heap will name this entry. */
  wokenAtMs: number
  readonly number: number
}

/** What a record costs beside its log: row, label, map and heap entries; measured with 100,000 records, rounded up. */
const entryBytes = 1_024

/** So many names of freed records are let be. */
const spareNames = 1_024

/** What a step costs beside its value. */
const stepBytes = 256

function costOf(step: StoredStep | undefined): number {
  return step === undefined ? 0 : stepBytes + (step.value?.byteLength ?? 0)
}

/** All records, counted against the bounds, with the order in which they expire. */
export class Entries {
  readonly #byKey = new Map<StoreKey, Entry>()
  readonly #expiry = new ExpiryHeap<StoreKey>()
  readonly #maxEntries: number
  readonly #maxBytes: number
  #bytes = 0
  #made = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#byKey.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether so many records more fit into both bounds. */
  hasRoom(records: number): boolean {
    return this.#byKey.size + records <= this.#maxEntries && this.#bytes + records * entryBytes <= this.#maxBytes
  }

  get(key: StoreKey): Entry | undefined {
    return this.#byKey.get(key)
  }

  put(key: StoreKey, row: Row): void {
    const entry = this.#byKey.get(key)
    if (entry === undefined) {
      this.#byKey.set(key, {
        row,
        log: new ChunkLog(),
        steps: undefined,
        wokenAtMs: row.expiresAtMs,
        number: this.#made++,
      })
      this.#expiry.push(row.expiresAtMs, key)
      this.#bytes += entryBytes
      return
    }
    entry.row = row
    // Log and steps follow the row: a new generation begins an empty log, a record that begins anew has no steps.
    this.#cutLog(entry, row.lengthBytes)
    if (row.steps === 0) this.#dropSteps(entry)
    // A later expiry is found when the heap names the entry; an earlier one has to be told.
    if (row.expiresAtMs < entry.wokenAtMs) this.#wakeAt(entry, key)
  }

  #wakeAt(entry: Entry, key: StoreKey, atMs = entry.row.expiresAtMs): void {
    entry.wokenAtMs = atMs
    this.#expiry.push(atMs, key)
    this.#dropStaleNames()
  }

  /** Freed records leave their names behind; when those outnumber the others, the heap is made anew. */
  #dropStaleNames(): void {
    if (this.#expiry.size <= 2 * this.#byKey.size + spareNames) return
    this.#expiry.clear()
    for (const [key, entry] of this.#byKey) this.#expiry.push(entry.wokenAtMs, key)
  }

  delete(key: StoreKey): void {
    const entry = this.#byKey.get(key)
    if (entry === undefined) return
    this.#dropSteps(entry)
    this.#bytes -= entryBytes + entry.log.lengthBytes
    this.#byKey.delete(key)
    this.#dropStaleNames()
  }

  /** Cuts the log to `offsetBytes`, then adds `bytes`. */
  writeLog(key: StoreKey, offsetBytes: number, bytes: Uint8Array): void {
    const entry = this.#byKey.get(key)
    if (entry === undefined) return
    this.#cutLog(entry, offsetBytes)
    entry.log.append(bytes)
    this.#bytes += bytes.byteLength
  }

  #cutLog(entry: Entry, lengthBytes: number): void {
    this.#bytes -= Math.max(0, entry.log.lengthBytes - lengthBytes)
    entry.log.cut(lengthBytes)
  }

  #dropSteps(entry: Entry): void {
    if (entry.steps === undefined) return
    for (const step of entry.steps.values()) this.#bytes -= costOf(step)
    entry.steps = undefined
  }

  putStep(key: StoreKey, id: string, step: StoredStep): void {
    const entry = this.#byKey.get(key)
    if (entry === undefined) return
    entry.steps ??= new Map()
    this.#bytes += costOf(step) - costOf(entry.steps.get(id))
    entry.steps.set(id, step)
  }

  /** Removes at most `limit` expired entries. */
  sweep(limit: number, now: StoreTime, removed: (key: StoreKey) => void): number {
    let count = 0
    // Names of freed records cost a look each; there are never many more of them than of others.
    for (let looks = 0; count < limit && looks < 4 * limit + spareNames; looks++) {
      const key = this.#expiry.popDue(now.wallMs)
      if (key === undefined) return count
      const entry = this.#byKey.get(key)
      if (entry === undefined) continue
      if (isExpired(entry.row, now)) {
        this.delete(key)
        removed(key)
        count++
      } else if (entry.row.expiresAtMs > now.wallMs) {
        this.#wakeAt(entry, key)
      } else {
        // Past its expiry under a live lease: its next renewal moves the expiry; look again in a second.
        this.#wakeAt(entry, key, now.wallMs + 1_000)
      }
    }
    return count
  }

  /** A page in the order in which records were made; the cursor is the number of the last one looked at. */
  page(
    cursor: string | undefined,
    limit: number,
    wanted: (row: Row) => boolean,
  ): { keys: StoreKey[]; cursor: string | undefined } {
    const after = cursor === undefined ? -1 : readCursor(cursor)
    const keys: StoreKey[] = []
    let last = after
    for (const [key, entry] of this.#byKey) {
      if (entry.number <= after) continue
      if (keys.length === limit) return { keys, cursor: String(last) }
      last = entry.number
      if (wanted(entry.row)) keys.push(key)
    }
    return { keys, cursor: undefined }
  }
}

function readCursor(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor)
  throw new RetrysafeError('REQUEST_INVALID', 'the cursor takes what a page of this store gave')
}
