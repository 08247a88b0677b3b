import { hash } from 'node:crypto'
import type { StoreKey } from '../../engine/record.ts'
import { isPackedText, packText, unpackText } from '../packed-text.ts'

/** A record's key is SHA-256 in base64url. */
const digestBytes = 32

/** A record's key: the 32 bytes that the engine's 43 characters stand for; any other text as it is. */
export function recordKey(key: StoreKey): Buffer {
  return packText(key, digestBytes)
}

export function isRecordKey(bytes: Buffer): boolean {
  return isPackedText(bytes, digestBytes)
}

export function storeKeyOf(record: Buffer): StoreKey {
  return unpackText(record) as StoreKey
}

/** Parts of a record lie together: its key with its length in front, so that no record's parts begin like another's. */
function partKey(record: Buffer, ...parts: Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(record.byteLength), record, ...parts])
}

/** Every part of a record, `end` not included. */
export function partsOf(record: Buffer): { start: Buffer; end: Buffer } {
  return { start: partKey(record), end: partKey(record, Buffer.alloc(64, 0xff)) }
}

/** Pieces of a log lie in order: by record, generation, offset. */
export function pieceKey(record: Buffer, fence: number, offsetBytes: number): Buffer {
  const place = Buffer.allocUnsafe(16)
  place.writeBigUInt64BE(BigInt(fence))
  place.writeBigUInt64BE(BigInt(offsetBytes), 8)
  return partKey(record, place)
}

export function offsetOf(piece: Buffer): number {
  return Number(piece.readBigUInt64BE(piece.byteLength - 8))
}

export function stepKey(record: Buffer, stepId: string): Buffer {
  return partKey(record, textKey(stepId))
}

/** Text of any length as a key of 32 bytes. */
export function textKey(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

/** The expiry index lies in order of time, in whole milliseconds. */
export function expiryKey(atMs: number, record: Buffer): Buffer {
  const time = Buffer.allocUnsafe(8)
  time.writeBigUInt64BE(BigInt(Math.max(0, Math.ceil(atMs))))
  return Buffer.concat([time, record])
}

export function recordOfExpiry(key: Buffer): Buffer {
  return key.subarray(8)
}
