import { hexValue } from './hexadecimal.ts'
import { BACKSLASH, copyByte, END, InvalidJson, type JsonScan, QUOTE } from './json-scanner.ts'

/** 1: stands for itself in a JSON string, and in our form of it. Quote, backslash, controls and non-ASCII are 0. */
const PLAIN: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
)

/**
 * Copies the string whose opening quote is at `scan.offset`, with its quotes, in the one form that RFC 8785 §3.2.2.2
 * gives it: UTF-8, escapes only for `"`, `\` and control characters (two-letter where one exists). A lone surrogate,
 * which UTF-8 cannot hold, stays an escape, so that two different ones stay different.
 */
export function copyString(scan: JsonScan): void {
  const { input } = scan
  copyByte(scan, QUOTE)
  for (;;) {
    copyPlain(scan)
    const byte = input[scan.offset] ?? END
    if (byte === QUOTE) return copyByte(scan, QUOTE)
    if (byte === BACKSLASH) copyEscape(scan)
    else if (byte >= 0x80) copyNonAscii(scan)
    else if (byte === END) throw new InvalidJson('the document ends inside a string', scan.offset)
    else throw new InvalidJson('a control character stands unescaped in a string', scan.offset)
  }
}

/** Copies up to the next byte that is not plain, four at a time: this is where long prompts spend their time. */
function copyPlain(scan: JsonScan): void {
  const { input, inputWords, output, outputWords } = scan
  const end = input.length
  let from = scan.offset
  let to = scan.length
  while (from + 4 <= end) {
    const word = inputWords.getInt32(from)
    if (!isPlainWord(word)) break
    outputWords.setInt32(to, word)
    from += 4
    to += 4
  }
  while (from < end) {
    const byte = input[from] ?? 0
    if (PLAIN[byte] !== 1) break
    output[to++] = byte
    from++
  }
  scan.offset = from
  scan.length = to
}

/**
 * `PLAIN` for four bytes at once: a subtraction borrows into the top bit of a byte that is too small. It may borrow
 * from the next byte as well, but only where this one has failed already.
 */
function isPlainWord(word: number): boolean {
  const quotes = (word ^ 0x22222222) - 0x01010101
  const backslashes = (word ^ 0x5c5c5c5c) - 0x01010101
  return ((word | (word - 0x20202020) | quotes | backslashes) & 0x80808080) === 0
}

/**
 * By the first byte of a UTF-8 character, from 0x80 on: how many bytes it has (0: none starts so) and the range of its
 * second byte, which excludes overlong forms, surrogates and what lies past U+10FFFF. The table of RFC 3629 §4.
 */
const CHARACTER_BYTES = new Uint8Array(128)
const SECOND_LOWEST = new Uint8Array(128).fill(0x80)
const SECOND_HIGHEST = new Uint8Array(128).fill(0xbf)
CHARACTER_BYTES.fill(2, 0x42, 0x60).fill(3, 0x60, 0x70).fill(4, 0x70, 0x75)
SECOND_LOWEST.fill(0xa0, 0x60, 0x61).fill(0x90, 0x70, 0x71)
SECOND_HIGHEST.fill(0x9f, 0x6d, 0x6e).fill(0x8f, 0x74, 0x75)

/** Copies the characters from here to the next ASCII byte. */
function copyNonAscii(scan: JsonScan): void {
  const { input, output } = scan
  let from = scan.offset
  let to = scan.length
  for (let lead = input[from] ?? 0; lead >= 0x80; lead = input[from] ?? 0) {
    const bytes = CHARACTER_BYTES[lead - 0x80] ?? 0
    const second = input[from + 1] ?? 0
    const inRange = second >= (SECOND_LOWEST[lead - 0x80] ?? 0) && second <= (SECOND_HIGHEST[lead - 0x80] ?? 0)
    if (bytes === 0 || !inRange) throw new InvalidJson('a string is not valid UTF-8', from)
    output[to++] = lead
    output[to++] = second
    for (let at = from + 2; at < from + bytes; at++) {
      const byte = input[at] ?? 0
      if ((byte & 0xc0) !== 0x80) throw new InvalidJson('a string is not valid UTF-8', from)
      output[to++] = byte
    }
    from += bytes
  }
  scan.offset = from
  scan.length = to
}

/** Byte after the backslash of a two-byte escape → the character it stands for. */
const SHORT_ESCAPES: ReadonlyMap<number, number> = new Map([
  [QUOTE, QUOTE],
  [BACKSLASH, BACKSLASH],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
])
/** The other way round. */
const SHORT_LETTERS: ReadonlyMap<number, number> = new Map([...SHORT_ESCAPES].map(([letter, code]) => [code, letter]))
const SLASH = 0x2f
const LETTER_U = 0x75

function copyEscape(scan: JsonScan): void {
  const start = scan.offset
  const letter = scan.input[start + 1] ?? 0
  if (SHORT_ESCAPES.has(letter)) {
    copyByte(scan, BACKSLASH)
    return copyByte(scan, letter)
  }
  if (letter === SLASH) {
    scan.offset++
    return copyByte(scan, SLASH)
  }
  const unit = escapedUnit(scan.input, start)
  if (unit < 0) throw new InvalidJson('a string holds an escape that JSON does not have', start)
  const low = unit >= 0xd800 && unit <= 0xdbff ? escapedUnit(scan.input, start + 6) : -1
  const isPair = low >= 0xdc00 && low <= 0xdfff
  scan.offset = start + (isPair ? 12 : 6)
  writeCodePoint(scan, isPair ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : unit)
}

/** The UTF-16 code unit of the `\uXXXX` at `offset`; negative if there is none. */
function escapedUnit(input: Uint8Array, offset: number): number {
  if (input[offset] !== BACKSLASH || input[offset + 1] !== LETTER_U) return -1
  return (
    (hexValue(input[offset + 2]) << 12) |
    (hexValue(input[offset + 3]) << 8) |
    (hexValue(input[offset + 4]) << 4) |
    hexValue(input[offset + 5])
  )
}

function writeCodePoint(scan: JsonScan, point: number): void {
  if (point < 0x80) writeAscii(scan, point)
  else if (point < 0x800) {
    write(scan, 0xc0 | (point >> 6))
    writeContinuation(scan, point)
  } else if (point >= 0xd800 && point <= 0xdfff) writeUnitEscape(scan, point)
  else if (point < 0x10000) {
    write(scan, 0xe0 | (point >> 12))
    writeContinuation(scan, point >> 6)
    writeContinuation(scan, point)
  } else {
    write(scan, 0xf0 | (point >> 18))
    writeContinuation(scan, point >> 12)
    writeContinuation(scan, point >> 6)
    writeContinuation(scan, point)
  }
}

function writeAscii(scan: JsonScan, character: number): void {
  const letter = SHORT_LETTERS.get(character)
  if (letter !== undefined) {
    write(scan, BACKSLASH)
    write(scan, letter)
  } else if (character < 0x20) writeUnitEscape(scan, character)
  else write(scan, character)
}

function writeContinuation(scan: JsonScan, bits: number): void {
  write(scan, 0x80 | (bits & 0x3f))
}

function writeUnitEscape(scan: JsonScan, unit: number): void {
  write(scan, BACKSLASH)
  write(scan, LETTER_U)
  for (let shift = 12; shift >= 0; shift -= 4) {
    const digit = (unit >> shift) & 0xf
    write(scan, digit < 10 ? 0x30 + digit : 0x57 + digit)
  }
}

function write(scan: JsonScan, byte: number): void {
  scan.output[scan.length++] = byte
}
