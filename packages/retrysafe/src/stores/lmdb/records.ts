import type { Clock } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import type { Machine } from '../../engine/machine.ts'
import { graceMs, inlineLogBytes, type LogPiece } from '../../engine/store.ts'
import type { Change, Row, StoreTime } from '../row/row.ts'
import type { Need } from './disk-room.ts'
import { drawRevision, type Environment } from './environment.ts'
import { expiryKey, partsOf, storeKeyOf } from './keys.ts'
import { Logs } from './logs.ts'
import { decodeRow, encodeRow, type StoredRow } from './row-codec.ts'

/** A record as it is now: its row's lease times on this machine's clock of today. */
export interface Loaded extends StoredRow {
  readonly revision: number
  /** The lease was granted on another clock: counted anew from now, once that is written. */
  readonly isRebased: boolean
}

/** What a step does to a record. */
export interface Decision<Answer> {
  readonly answer: Answer
  readonly change: Change
  /** Bytes that go to the log with it: its end, when the record is completed. */
  readonly piece?: LogPiece
  /** A part that is written with it. */
  readonly step?: { readonly key: Buffer; readonly value: Buffer }
}

type Parts = Pick<Decision<unknown>, 'piece' | 'step'>

interface Writing {
  readonly now: StoreTime
  readonly byOwner: boolean
  /** The file should not grow. */
  readonly isTight: boolean
}

/** For whom a record is written: for its token, by the process that holds it, or for the store's own order. */
export type Writer = 'owner' | 'store'

/** More than other processes can get ahead of us by chance. */
const maxTries = 100
/** How long it is believed that a process which was there is still there. */
const believeMs = 20

/**
 * Records and everything that belongs to them, changed conditionally: a step reads the record, decides, and writes if
 * nobody has written since, else it decides again. No code of ours runs under LMDB's lock.
 */
export class Records {
  readonly logs: Logs
  readonly #environment: Environment
  readonly #machine: Machine
  readonly #clock: Clock
  readonly #random: () => number
  /** Until when what is known of a process is believed; a process that is gone stays gone. */
  readonly #known = new Map<string, { isGone: boolean; untilMs: number }>()

  constructor(environment: Environment, machine: Machine, clock: Clock, random: () => number) {
    this.#environment = environment
    this.#machine = machine
    this.#clock = clock
    this.#random = random
    this.logs = new Logs(environment)
  }

  time(): StoreTime {
    return { leaseMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() }
  }

  /** Reads a record as it is now. */
  load(record: Buffer, now: StoreTime): Loaded | undefined {
    const bytes = this.#environment.records.getBinary(record)
    if (bytes === undefined) return undefined
    const revision = this.#environment.lastRevision()
    return this.#onOurClock({ ...readRow(record, bytes), revision, isRebased: false }, now)
  }

  /** Changes with every write to the record; a record that is not there has none. */
  revisionOf(record: Buffer): number | undefined {
    return this.#environment.records.getBinaryFast(record) === undefined ? undefined : this.#environment.lastRevision()
  }

  /** Writes down that a lease of another clock is counted from now on. */
  rebase(record: Buffer): void {
    const keep = (): Decision<void> => ({ answer: undefined, change: { kind: 'keep' } })
    this.change(record, keep, 'store').catch(() => {})
  }

  isOurs(loaded: StoredRow): boolean {
    return loaded.owner === this.#machine.processName
  }

  /** @throws {RetrysafeError} `STORE_UNAVAILABLE`, `STORE_FULL` */
  async change<Answer>(
    record: Buffer,
    decide: (loaded: Loaded | undefined, now: StoreTime) => Decision<Answer>,
    writer: Writer,
  ): Promise<Answer> {
    for (let tries = 0; tries < maxTries; tries++) {
      this.#environment.refresh()
      const now = this.time()
      const loaded = this.load(record, now)
      const decision = decide(loaded, now)
      const isKept = decision.change.kind === 'keep'
      if (isKept && loaded?.isRebased !== true) return decision.answer
      const change: Change = isKept && loaded !== undefined ? { kind: 'put', row: loaded.row } : decision.change
      const parts = isKept ? {} : decision
      const write = (isTight: boolean): Promise<boolean> =>
        this.#write(record, loaded, change, parts, { now, byOwner: !isKept && writer === 'owner', isTight })
      if (await this.#environment.commit(write, needOf(loaded, change, parts))) return decision.answer
    }
    throw new RetrysafeError(
      'STORE_UNAVAILABLE',
      `the record was changed by others ${maxTries} times in a row: try again`,
    )
  }

  /** Queues a conditional write of the record and of what belongs to it. */
  #write(record: Buffer, loaded: Loaded | undefined, change: Change, parts: Parts, how: Writing): Promise<boolean> {
    const { records } = this.#environment
    const body = (): void => {
      if (change.kind === 'put') this.#put(record, loaded, change.row, parts, how)
      else if (change.kind === 'delete' && loaded !== undefined) this.#remove(record, loaded)
    }
    return loaded === undefined ? records.ifNoExists(record, body) : records.ifVersion(record, loaded.revision, body)
  }

  #put(
    record: Buffer,
    loaded: Loaded | undefined,
    row: Row,
    { piece, step }: Parts,
    { now, byOwner, isTight }: Writing,
  ): void {
    const { records, steps } = this.#environment
    const stored: StoredRow = {
      row,
      owner: byOwner ? this.#machine.processName : (loaded?.owner ?? this.#machine.processName),
      clockName: this.#machine.clockName,
      stampLeaseMs: now.leaseMs,
      stampWallMs: now.wallMs,
      wokenAtMs: this.#index(record, loaded, row),
      log: this.#putLog(record, loaded, row, piece, isTight),
    }
    if (row.steps === 0) this.#dropSteps(record, loaded)
    if (step !== undefined) steps.put(step.key, step.value)
    records.put(record, encodeRow(stored), drawRevision(this.#random))
  }

  #remove(record: Buffer, loaded: Loaded): void {
    const { records, expiry, unknown } = this.#environment
    this.logs.cut(record, loaded, 0)
    this.#dropSteps(record, loaded)
    if (loaded.row.state === 'unknown') unknown.remove(record)
    expiry.remove(expiryKey(loaded.wokenAtMs, record))
    records.remove(record)
  }

  /**
   * Keeps the two indexes. The entry in the expiry index may be later than the row's expiry by one lease, so that a
   * completion need not move it; what expires later than its entry is found, and moved, by the sweep.
   */
  #index(record: Buffer, loaded: Loaded | undefined, row: Row): number {
    const { expiry, unknown } = this.#environment
    const isUnknown = row.state === 'unknown'
    if (isUnknown !== (loaded?.row.state === 'unknown')) {
      if (isUnknown) unknown.put(record, Buffer.alloc(0))
      else unknown.remove(record)
    }
    const { wokenAtMs } = loaded ?? {}
    if (wokenAtMs !== undefined && wokenAtMs <= row.expiresAtMs + row.leaseMs) return wokenAtMs
    if (wokenAtMs !== undefined) expiry.remove(expiryKey(wokenAtMs, record))
    expiry.put(expiryKey(row.expiresAtMs, record), Buffer.alloc(0))
    return Math.max(0, Math.ceil(row.expiresAtMs))
  }

  /** @returns the log, where it is kept in the row itself */
  #putLog(
    record: Buffer,
    loaded: Loaded | undefined,
    row: Row,
    piece: LogPiece | undefined,
    isTight: boolean,
  ): Uint8Array | undefined {
    if (piece === undefined) {
      const isSameLog =
        loaded !== undefined && loaded.row.fence === row.fence && loaded.row.lengthBytes === row.lengthBytes
      if (!isSameLog && loaded !== undefined) this.logs.cut(record, loaded, 0)
      return isSameLog ? loaded.log : undefined
    }
    if (row.state !== 'completed' || row.lengthBytes > inlineLogBytes || isTight) {
      if (loaded !== undefined) this.logs.cut(record, loaded, piece.offsetBytes)
      this.logs.put(record, row.fence, piece, isTight)
      return undefined
    }
    if (piece.offsetBytes === 0 || loaded === undefined) {
      if (loaded !== undefined) this.logs.cut(record, loaded, 0)
      return piece.bytes
    }
    const whole = Buffer.concat([this.logs.collect(record, loaded.row.fence, piece.offsetBytes), piece.bytes])
    this.logs.cut(record, loaded, 0)
    return whole
  }

  #dropSteps(record: Buffer, loaded: Loaded | undefined): void {
    if (loaded === undefined || loaded.row.steps === 0) return
    const { steps } = this.#environment
    for (const key of [...steps.getKeys(partsOf(record))]) steps.remove(key)
  }

  /** Moves an entry of the expiry index to where its record expires; `atMs`: to where it is to be looked at again. */
  async wakeAt(record: Buffer, atMs: number): Promise<void> {
    const now = this.time()
    const loaded = this.load(record, now)
    if (loaded === undefined) return
    const wokenAtMs = Math.ceil(atMs)
    const write = (): Promise<boolean> => {
      const { expiry, records } = this.#environment
      return records.ifVersion(record, loaded.revision, () => {
        expiry.remove(expiryKey(loaded.wokenAtMs, record))
        expiry.put(expiryKey(wokenAtMs, record), Buffer.alloc(0))
        const { clockName } = this.#machine
        const stamp = { clockName, stampLeaseMs: now.leaseMs, stampWallMs: now.wallMs }
        records.put(record, encodeRow({ ...loaded, ...stamp, wokenAtMs }), drawRevision(this.#random))
      })
    }
    await this.#environment.commit(write)
  }

  /** Drops an entry of the expiry index that is not, or no more, its record's. */
  async dropEntry(entry: Buffer, record: Buffer, loaded: Loaded | undefined): Promise<void> {
    const drop = (): void => void this.#environment.expiry.remove(entry)
    await this.#environment.commit(() => {
      const { records } = this.#environment
      return loaded === undefined ? records.ifNoExists(record, drop) : records.ifVersion(record, loaded.revision, drop)
    })
  }

  /** Reads a row's lease times on this clock, and lets the lease of an owner that is gone be over. */
  #onOurClock(loaded: Loaded, now: StoreTime): Loaded {
    const { row } = loaded
    const isRunning = row.state === 'running'
    if (loaded.clockName !== this.#machine.clockName || now.leaseMs < loaded.stampLeaseMs - 1) {
      const restMs = row.cooldownUntilMs - loaded.stampLeaseMs
      const passedMs = Math.max(0, now.wallMs - loaded.stampWallMs)
      const cooldownUntilMs = now.leaseMs + Math.max(0, restMs - passedMs)
      // Lease and grace from when it is first seen here: whoever granted it may be alive on another clock.
      return {
        ...loaded,
        row: { ...row, cooldownUntilMs, leaseUntilMs: now.leaseMs + row.leaseMs },
        isRebased: isRunning,
      }
    }
    if (!isRunning || row.leaseUntilMs + graceMs <= now.leaseMs || !this.#isGone(loaded.owner, now)) return loaded
    return { ...loaded, row: { ...row, leaseUntilMs: now.leaseMs - graceMs } }
  }

  #isGone(owner: string, now: StoreTime): boolean {
    if (owner === this.#machine.processName) return false
    const known = this.#known.get(owner)
    if (known !== undefined && known.untilMs > now.leaseMs) return known.isGone
    const isGone = this.#machine.isGone(owner)
    if (this.#known.size > 1_000) this.#known.clear()
    this.#known.set(owner, { isGone, untilMs: isGone ? Number.POSITIVE_INFINITY : now.leaseMs + believeMs })
    return isGone
  }
}

/** What a write takes of the disk, where that is more than a few pages, or begins something. */
function needOf(loaded: Loaded | undefined, change: Change, { piece, step }: Parts): Need | undefined {
  const bytes = piece?.bytes.byteLength ?? step?.value.byteLength ?? 0
  if (bytes > 0) return { kind: 'bytes', bytes }
  const isClaim = change.kind === 'put' && change.row.state === 'running' && loaded?.row.fence !== change.row.fence
  return isClaim ? { kind: 'claim' } : undefined
}

function readRow(record: Buffer, bytes: Buffer): StoredRow {
  try {
    return decodeRow(bytes)
  } catch (error) {
    const key = storeKeyOf(record)
    throw new RetrysafeError(
      'STORE_INCOMPATIBLE',
      `the record ${key} cannot be read: the LMDB file is damaged, or was written by a newer version; put a backup in its place`,
      { cause: error },
    )
  }
}
