import type { LogPiece } from '../../engine/store.ts'
import type { Environment } from './environment.ts'
import { offsetOf, partsOf, pieceKey } from './keys.ts'
import type { StoredRow } from './row-codec.ts'
import type { Table } from './tables.ts'

/** Large pieces are cut: LMDB needs free pages in a row for each. */
const maxPieceBytes = 262_144
/** Where the file should not grow: beside its key it lies in any free page. */
const pagePieceBytes = 1_800

/** The logs of records that run or are large: pieces under their offsets. All reads of one turn see one state. */
export class Logs {
  readonly #environment: Environment

  constructor(environment: Environment) {
    this.#environment = environment
  }

  get #table(): Table {
    return this.#environment.logs
  }

  put(record: Buffer, fence: number, { offsetBytes, bytes }: LogPiece, isTight: boolean): void {
    const most = isTight ? pagePieceBytes : maxPieceBytes
    for (let at = 0; at < bytes.byteLength; at += most) {
      const part = bytes.subarray(at, at + most)
      this.#table.put(pieceKey(record, fence, offsetBytes + at), asBuffer(part))
    }
  }

  /** Drops what lies at `offsetBytes` and beyond, and all other generations. */
  cut(record: Buffer, { row, log }: StoredRow, offsetBytes: number): void {
    if (log !== undefined || row.lengthBytes === 0) return
    // Nearly every append goes to the end: nothing to drop.
    if (offsetBytes === row.lengthBytes) return
    const kept = offsetBytes === 0 ? undefined : this.#find(record, row.fence, offsetBytes - 1)
    for (const key of [...this.#table.getKeys(partsOf(record))]) {
      if (kept === undefined || Buffer.compare(key, kept.key) > 0) this.#table.remove(key)
    }
    if (kept === undefined) return
    const length = offsetBytes - offsetOf(kept.key)
    if (length < kept.bytes.byteLength) this.#table.put(kept.key, Buffer.from(kept.bytes.subarray(0, length)))
  }

  /** At most `limitBytes` from `offsetBytes`; one stored piece at the most, so a reader asks again. */
  read(record: Buffer, { row, log }: StoredRow, offsetBytes: number, limitBytes: number): Uint8Array {
    const limit = Math.min(limitBytes, row.lengthBytes - offsetBytes)
    if (offsetBytes < 0 || limit <= 0) return new Uint8Array(0)
    if (log !== undefined) return log.subarray(offsetBytes, offsetBytes + limit)
    const piece = this.#find(record, row.fence, offsetBytes)
    if (piece === undefined) return new Uint8Array(0)
    const within = offsetBytes - offsetOf(piece.key)
    return piece.bytes.subarray(within, within + limit)
  }

  /** Everything before `endBytes`, in one piece. */
  collect(record: Buffer, fence: number, endBytes: number): Buffer {
    const range = { start: pieceKey(record, fence, 0), end: pieceKey(record, fence, endBytes) }
    const pieces = [...this.#table.getRange(range)].map(({ value }) => Buffer.from(value))
    return Buffer.concat(pieces, endBytes)
  }

  /** The piece that holds `offsetBytes`. */
  #find(record: Buffer, fence: number, offsetBytes: number): { key: Buffer; bytes: Buffer } | undefined {
    const exact = pieceKey(record, fence, offsetBytes)
    // Who reads in order asks where a piece begins.
    const bytes = this.#table.getBinary(exact)
    if (bytes !== undefined) return { key: exact, bytes }
    const before = { start: exact, end: pieceKey(record, fence, 0), reverse: true, limit: 1, inclusiveEnd: true }
    for (const { key, value } of this.#table.getRange(before))
      return { key: Buffer.from(key), bytes: Buffer.from(value) }
    return undefined
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
