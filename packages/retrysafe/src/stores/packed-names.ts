import { RetrysafeError } from '../engine/errors.ts'
import type { StoreKey } from '../engine/record.ts'
import type { Fingerprint } from '../fingerprint/fingerprint.ts'
import { packText, unpackText } from './packed-text.ts'

export const keyBytes: number = 32
const ownerBytes = 16
/** A version character and 43 of base64url are themselves base64url. */
const fingerprintBytes = 33

export function keyName(key: StoreKey): Buffer {
  return packText(key, keyBytes)
}

export function storeKeyOf(name: Buffer): StoreKey {
  return unpackText(name) as StoreKey
}

export function ownerName(owner: string): Buffer {
  return packText(owner, ownerBytes)
}

export function fingerprintName(fingerprint: Fingerprint | undefined): Buffer | null {
  return fingerprint === undefined ? null : packText(fingerprint, fingerprintBytes)
}

/**
 * Any text, also what no text column takes: other encodings' characters, a zero.
 *
 * @throws {RetrysafeError} `REQUEST_INVALID` for half of a surrogate pair: all of these give the same bytes
 */
export function textName(text: string): Buffer {
  // Not isWellFormed: the oldest Node that we run on types it in no library of its own.
  if (/\p{Surrogate}/u.test(text)) throw new RetrysafeError('REQUEST_INVALID', 'a name takes well-formed Unicode')
  return Buffer.from(text)
}
