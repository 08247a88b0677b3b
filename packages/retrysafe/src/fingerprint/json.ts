import {
  ARRAY,
  closeContainer,
  insideObject,
  noteMember,
  OBJECT,
  openContainer,
  reorderMembers,
} from './json-members.ts'
import { copyNumber } from './json-number.ts'
import {
  ARRAY_END,
  ARRAY_START,
  COLON,
  COMMA,
  copyByte,
  END,
  InvalidJson,
  type JsonScan,
  MINUS,
  OBJECT_END,
  OBJECT_START,
  peekToken,
  QUOTE,
  startScan,
  unexpected,
} from './json-scanner.ts'
import { copyString } from './json-string.ts'

/** `offsetBytes` is where in the document it went wrong; `reason` never quotes the document. */
export type CanonicalJson =
  | { kind: 'canonical'; bytes: Uint8Array }
  | { kind: 'invalid'; reason: string; offsetBytes: number }

/** Longest document, 256 MiB: all offsets, also those of numbers written out at length, then fit into 31 bits. */
export const MAX_JSON_BYTES = 268_435_456

/**
 * One spelling for each JSON value: two documents have equal `bytes` exactly if they are the same value, nothing lost.
 * White space, the order of members and the spelling of strings and numbers do not count. All else does:
 * - members of one name are all kept, in their order; no name is special (`__proto__`, `1`);
 * - strings are compared by code unit, without Unicode normalisation; lone surrogates (`\ud800`) stay different;
 * - numbers are compared by their decimal value, of any size, never as doubles: `1.0`, `1e0` and `1` are equal,
 *   9007199254740993 and 9007199254740992 are not. `-0` is `0`: they are the same number.
 *
 * The bytes are JSON themselves, and those of RFC 8785 (JCS) where that applies and each number survives a round trip
 * through a double; except that members are ordered by the UTF-8 bytes of their name's canonical spelling, which makes
 * a difference only where a name needs an escape, or one object's names mix U+E000 to U+FFFF with what lies past U+FFFF.
 *
 * `invalid` is whatever RFC 8259 and `JSON.parse` refuse, and bytes that are not UTF-8, a byte order mark included.
 * Nesting is bounded by `MAX_JSON_BYTES` alone: nothing recurses. Time is linear, but for the sorting of names.
 *
 * @param bytes at most `MAX_JSON_BYTES`, else `invalid`; not changed, not kept
 * @returns fresh bytes that belong to the caller; at most about 5 times the document's, since `1e20` is written out
 * @see RFC 8259, RFC 8785 §3.2
 * @example
 * ```ts
 * const canonical = canonicalJson(new TextEncoder().encode('{"b": 1.0, "a": "\\u00e9"}'))
 * if (canonical.kind === 'canonical') new TextDecoder().decode(canonical.bytes) // '{"a":"é","b":1}'
 * ```
 */
export function canonicalJson(bytes: Uint8Array): CanonicalJson {
  return readDocument(bytes, scan =>
    isInOrder(scan) ? scan.output.slice(0, scan.length) : reorderMembers(scan, new Uint8Array(scan.length)),
  )
}

/**
 * The same for who reads many documents one by one, and keeps none: `bytes` hold until the next one is read. A copy of
 * each would be left to the garbage collector, which sees only how small the object is that holds it.
 */
export function passingCanonicalJson(bytes: Uint8Array): CanonicalJson {
  return readDocument(bytes, scan =>
    isInOrder(scan) ? scan.output.subarray(0, scan.length) : reorderMembers(scan, orderingRoom(scan.length)),
  )
}

function isInOrder(scan: JsonScan): boolean {
  return scan.movesLength === 0
}

/** Where documents up to this size are put in order one after the other. */
const MAX_SHARED_ROOM_BYTES = 1_048_576
let sharedRoom = new Uint8Array(0)

function orderingRoom(bytes: number): Uint8Array {
  if (bytes > MAX_SHARED_ROOM_BYTES) return new Uint8Array(bytes)
  if (bytes > sharedRoom.length) sharedRoom = new Uint8Array(Math.min(MAX_SHARED_ROOM_BYTES, 2 * bytes))
  return sharedRoom.subarray(0, bytes)
}

function readDocument(bytes: Uint8Array, copy: (scan: JsonScan) => Uint8Array): CanonicalJson {
  if (bytes.length > MAX_JSON_BYTES) {
    const reason = `the document is too long: ${bytes.length} bytes > ${MAX_JSON_BYTES} (MAX_JSON_BYTES)`
    return { kind: 'invalid', reason, offsetBytes: MAX_JSON_BYTES }
  }
  try {
    const scan = startScan(bytes)
    copyDocument(scan)
    return { kind: 'canonical', bytes: copy(scan) }
  } catch (error) {
    if (error instanceof InvalidJson) return { kind: 'invalid', reason: error.message, offsetBytes: error.offsetBytes }
    throw error
  }
}

function copyDocument(scan: JsonScan): void {
  do beginValue(scan)
  while (endValue(scan))
  if (peekToken(scan) !== END) throw unexpected(scan, 'the end of the document')
}

/** Writes what comes up to the end of the first value that holds no other. */
function beginValue(scan: JsonScan): void {
  for (;;) {
    const byte = peekToken(scan)
    if (byte === QUOTE) return copyString(scan)
    if (byte === OBJECT_START) {
      copyByte(scan, byte)
      openContainer(scan, OBJECT)
      if (peekToken(scan) === OBJECT_END) return
      copyKey(scan)
    } else if (byte === ARRAY_START) {
      copyByte(scan, byte)
      openContainer(scan, ARRAY)
      if (peekToken(scan) === ARRAY_END) return
    } else if (byte === MINUS || (byte >= 0x30 && byte <= 0x39)) return copyNumber(scan)
    else return copyLiteral(scan, byte)
  }
}

/** Closes what ends here. Answers whether another value follows. */
function endValue(scan: JsonScan): boolean {
  while (scan.frame >= 0) {
    const inObject = insideObject(scan)
    const byte = peekToken(scan)
    if (byte === COMMA) {
      copyByte(scan, byte)
      if (inObject) copyKey(scan)
      return true
    }
    if (byte !== (inObject ? OBJECT_END : ARRAY_END)) throw unexpected(scan, inObject ? '"," or "}"' : '"," or "]"')
    closeContainer(scan)
    copyByte(scan, byte)
  }
  return false
}

function copyKey(scan: JsonScan): void {
  if (peekToken(scan) !== QUOTE) throw unexpected(scan, 'a member name')
  const start = scan.length
  copyString(scan)
  noteMember(scan, start)
  if (peekToken(scan) !== COLON) throw unexpected(scan, '":"')
  copyByte(scan, COLON)
}

/** `true`, `false` and `null`, by their first byte. */
const LITERALS: ReadonlyMap<number, Uint8Array> = new Map(
  ['true', 'false', 'null'].map(word => [word.charCodeAt(0), new TextEncoder().encode(word)]),
)

function copyLiteral(scan: JsonScan, first: number): void {
  const word = LITERALS.get(first)
  if (word === undefined) throw unexpected(scan, 'a value')
  const start = scan.offset
  for (const byte of word) {
    if (scan.input[scan.offset] !== byte) throw new InvalidJson('a value was expected', start)
    copyByte(scan, byte)
  }
}
