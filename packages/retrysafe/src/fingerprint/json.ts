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

export type CanonicalJson =
  | { kind: 'canonical'; bytes: Uint8Array }
  | { kind: 'invalid'; reason: string; offsetBytes: number }

export function canonicalJson(bytes: Uint8Array): CanonicalJson {
  try {
    const scan = startScan(bytes)
    copyDocument(scan)
    return {
      kind: 'canonical',
      bytes: scan.movesLength === 0 ? scan.output.slice(0, scan.length) : reorderMembers(scan),
    }
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
