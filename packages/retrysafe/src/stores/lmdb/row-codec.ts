import type { RecordLabel, RecordState } from '../../engine/record.ts'
import type { Fingerprint } from '../../fingerprint/fingerprint.ts'
import type { Row } from '../row/row.ts'

/** A row as the file keeps it: with what a later reader, perhaps of another boot, must know to understand it. */
export interface StoredRow {
  readonly row: Row
  /** The process that wrote for the token last. */
  readonly owner: string
  /** The clock that the row's lease times are read on, and when it was written on that clock and on the wall clock. */
  readonly clockName: string
  readonly stampLeaseMs: number
  readonly stampWallMs: number
  /** Where the expiry index names the row. */
  readonly wokenAtMs: number
  /** The whole log of a completed row, when it is small. */
  readonly log: Uint8Array | undefined
}

export const rowFormat = 1
const states: readonly RecordState[] = ['running', 'open', 'completed', 'unknown', 'purged']
const flags = { sent: 1, takenOver: 2, cancelled: 4, fail: 8, log: 16 }
const numberCount = 13
const headBytes = 8 + 8 * numberCount
const noText = 0xffff_ffff

/** Format, state, flags, counts; thirteen doubles; texts with their lengths; the log. Little endian. */
export function encodeRow(stored: StoredRow): Buffer {
  const { row, log } = stored
  const texts = textsOf(stored)
  let size = headBytes + (log?.byteLength ?? 0)
  for (const text of texts) size += 4 + (text === undefined ? 0 : Buffer.byteLength(text))
  const bytes = Buffer.allocUnsafe(size)
  bytes[0] = rowFormat
  bytes[1] = states.indexOf(row.state)
  bytes[2] = flagsOf(row, log !== undefined)
  bytes[3] = row.maxAttempts
  bytes.writeUInt16LE(row.attempt, 4)
  bytes.writeUInt16LE(0, 6)
  let at = 8
  for (const number of numbersOf(stored)) at = bytes.writeDoubleLE(number, at)
  for (const text of texts) {
    if (text === undefined) {
      at = bytes.writeUInt32LE(noText, at)
      continue
    }
    const length = bytes.write(text, at + 4)
    bytes.writeUInt32LE(length, at)
    at += 4 + length
  }
  if (log !== undefined) bytes.set(log, at)
  return bytes
}

function flagsOf(row: Row, hasLog: boolean): number {
  return (
    (row.sent ? flags.sent : 0) |
    (row.takenOver ? flags.takenOver : 0) |
    (row.cancelled ? flags.cancelled : 0) |
    (row.onCrash === 'fail' ? flags.fail : 0) |
    (hasLog ? flags.log : 0)
  )
}

function numbersOf({ row, stampLeaseMs, stampWallMs, wokenAtMs }: StoredRow): number[] {
  return [
    row.fence,
    row.leaseMs,
    row.leaseUntilMs,
    row.cooldownUntilMs,
    row.retentionMs,
    row.expiresAtMs,
    row.claimedAtMs,
    row.completedAtMs ?? Number.NaN,
    row.lengthBytes,
    row.steps,
    stampLeaseMs,
    stampWallMs,
    wokenAtMs,
  ]
}

function textsOf({ row, owner, clockName }: StoredRow): (string | undefined)[] {
  const { key, operation, tenant, method, path } = row.label
  return [row.owner, row.raw, row.canonical, owner, clockName, operation, tenant, key, method, path]
}

/** @throws {RangeError} when the bytes are no row of this format */
export function decodeRow(bytes: Buffer): StoredRow {
  const flag = bytes[2] ?? 0
  const state = states[bytes[1] ?? 255]
  if (bytes[0] !== rowFormat || state === undefined) throw new RangeError(`a record of format ${bytes[0]}`)
  const number = (index: number): number => bytes.readDoubleLE(8 + 8 * index)
  let at = headBytes
  const text = (): string | undefined => {
    const length = bytes.readUInt32LE(at)
    at += 4
    if (length === noText) return undefined
    at += length
    return bytes.toString('utf8', at - length, at)
  }
  const token = text() ?? ''
  const raw = (text() ?? '') as Fingerprint
  const canonical = text() as Fingerprint | undefined
  const owner = text() ?? ''
  const clockName = text() ?? ''
  const label = readLabel(text)
  const completedAtMs = number(7)
  const row: Row = {
    state,
    fence: number(0),
    owner: token,
    attempt: bytes.readUInt16LE(4),
    maxAttempts: bytes[3] ?? 0,
    onCrash: flag & flags.fail ? 'fail' : 'rerun',
    sent: (flag & flags.sent) !== 0,
    takenOver: (flag & flags.takenOver) !== 0,
    cancelled: (flag & flags.cancelled) !== 0,
    raw,
    canonical,
    leaseMs: number(1),
    leaseUntilMs: number(2),
    cooldownUntilMs: number(3),
    retentionMs: number(4),
    expiresAtMs: number(5),
    claimedAtMs: number(6),
    completedAtMs: Number.isNaN(completedAtMs) ? undefined : completedAtMs,
    lengthBytes: number(8),
    steps: number(9),
    label,
  }
  const log = flag & flags.log ? bytes.subarray(at) : undefined
  const [stampLeaseMs, stampWallMs, wokenAtMs] = [number(10), number(11), number(12)]
  return { row, owner, clockName, stampLeaseMs, stampWallMs, wokenAtMs, log }
}

function readLabel(text: () => string | undefined): RecordLabel {
  const operation = text() ?? ''
  const tenant = text() ?? ''
  const key = text()
  const method = text()
  const path = text()
  return {
    ...(key !== undefined && { key }),
    operation,
    tenant,
    ...(method !== undefined && { method }),
    ...(path !== undefined && { path }),
  }
}
