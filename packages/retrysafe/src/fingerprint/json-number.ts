import { InvalidJson, type JsonScan, MINUS, makeRoom } from './json-scanner.ts'

const ZERO = 0x30
const NINE = 0x39
const POINT = 0x2e
const PLUS = 0x2b
const LOWER_E = 0x65

/** Where ECMAScript stops to write a number without exponent (Number::toString; RFC 8785 §3.2.2.3 takes it over). */
const MOST_INTEGER_DIGITS = 21
const MOST_LEADING_ZEROS = 6

/** Exponents of at most this many digits are computed in a double, exactly; longer ones digit by digit. */
const SAFE_EXPONENT_DIGITS = 15

/** The spelling of one number, as byte offsets into the document; where a part is absent, its range is empty. */
interface Spelling {
  negative: boolean
  /** Integer digits [start, point), fraction digits [fraction, fractionEnd). */
  start: number
  point: number
  fraction: number
  fractionEnd: number
  exponentNegative: boolean
  exponent: number
  end: number
}

/**
 * Copies the number at `scan.offset` in one form for its exact decimal value: what ECMAScript would print if its
 * numbers had all the digits they need. Never goes through a double, so 2^53 + 1 stays itself; `-0` is `0`.
 * Linear in the spelling, whatever the exponent.
 */
export function copyNumber(scan: JsonScan): void {
  const spelling = readSpelling(scan)
  if (isCanonical(scan.input, spelling)) return copyVerbatim(scan, spelling.end)
  makeRoom(scan)
  writeNumber(scan, spelling)
  scan.offset = spelling.end
}

/** RFC 8259 §6. */
function readSpelling(scan: JsonScan): Spelling {
  const { input } = scan
  const negative = input[scan.offset] === MINUS
  const start = negative ? scan.offset + 1 : scan.offset
  const point = endOfDigits(input, start)
  if (point === start) throw new InvalidJson('a digit was expected', start)
  if (input[start] === ZERO && point > start + 1) throw new InvalidJson('a number starts with a needless zero', start)
  let fraction = point
  let end = point
  if (input[point] === POINT) {
    fraction = point + 1
    end = endOfDigits(input, fraction)
    if (end === fraction) throw new InvalidJson('a digit was expected', end)
  }
  const fractionEnd = end
  let exponent = end
  let exponentNegative = false
  if (((input[end] ?? 0) | 0x20) === LOWER_E) {
    exponentNegative = input[end + 1] === MINUS
    exponent = exponentNegative || input[end + 1] === PLUS ? end + 2 : end + 1
    end = endOfDigits(input, exponent)
    if (end === exponent) throw new InvalidJson('a digit was expected', end)
  }
  return { negative, start, point, fraction, fractionEnd, exponentNegative, exponent, end }
}

function endOfDigits(input: Uint8Array, from: number): number {
  let at = from
  while (at < input.length && isDigit(input[at] ?? 0)) at++
  return at
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE
}

/** Whether the spelling is already ours, as nearly all numbers in practice are: `0`, `-12`, `0.7`. */
function isCanonical(input: Uint8Array, spelling: Spelling): boolean {
  const { start, point, fraction, fractionEnd, end, negative } = spelling
  if (end !== fractionEnd || point - start > MOST_INTEGER_DIGITS) return false
  if (fraction === fractionEnd) return !(negative && input[start] === ZERO)
  if (input[fractionEnd - 1] === ZERO) return false
  if (input[start] !== ZERO) return true
  const limit = Math.min(fraction + MOST_LEADING_ZEROS, fractionEnd)
  for (let at = fraction; at < limit; at++) if (input[at] !== ZERO) return true
  return false
}

function copyVerbatim(scan: JsonScan, end: number): void {
  const { input, output } = scan
  while (scan.offset < end) output[scan.length++] = input[scan.offset++] ?? 0
}

/** The value is 0.D × 10^`pointAt`, where D are the digits from the first to the last that is not zero. */
function writeNumber(scan: JsonScan, spelling: Spelling): void {
  const { input } = scan
  const { start, point, fraction, fractionEnd, end } = spelling
  let first = start
  while (first < fractionEnd && !isSignificant(input[first])) first++
  if (first === fractionEnd) return write(scan, ZERO)
  let last = fractionEnd - 1
  while (!isSignificant(input[last])) last--
  if (spelling.negative) write(scan, MINUS)
  const shift = first < point ? point - first : fraction - first
  let exponent = spelling.exponent
  while (exponent < end && input[exponent] === ZERO) exponent++
  if (end - exponent > SAFE_EXPONENT_DIGITS) {
    writeMantissa(scan, first, last)
    return writeLongExponent(scan, exponent, end, spelling.exponentNegative, shift - 1)
  }
  let magnitude = 0
  for (let at = exponent; at < end; at++) magnitude = magnitude * 10 + ((input[at] ?? ZERO) - ZERO)
  const pointAt = shift + (spelling.exponentNegative ? -magnitude : magnitude)
  if (pointAt > -MOST_LEADING_ZEROS && pointAt <= MOST_INTEGER_DIGITS) {
    return writePlain(scan, first, last, pointAt)
  }
  writeMantissa(scan, first, last)
  writeText(scan, pointAt > 0 ? `e+${pointAt - 1}` : `e-${1 - pointAt}`)
}

/** Neither zero nor the point. */
function isSignificant(byte: number | undefined): boolean {
  return byte !== ZERO && byte !== POINT
}

/** Without exponent: `1200`, `1.2`, `0.0012`. */
function writePlain(scan: JsonScan, first: number, last: number, pointAt: number): void {
  if (pointAt <= 0) {
    writeText(scan, '0.')
    for (let zeros = pointAt; zeros < 0; zeros++) write(scan, ZERO)
    writeDigits(scan, first, last, Number.POSITIVE_INFINITY)
    return
  }
  const before = scan.length
  const next = writeDigits(scan, first, last, pointAt)
  while (scan.length < before + pointAt) write(scan, ZERO)
  if (next > last) return
  write(scan, POINT)
  writeDigits(scan, next, last, Number.POSITIVE_INFINITY)
}

/** `1` or `1.2`, to be followed by an exponent. */
function writeMantissa(scan: JsonScan, first: number, last: number): void {
  const next = writeDigits(scan, first, last, 1)
  if (next > last) return
  write(scan, POINT)
  writeDigits(scan, next, last, Number.POSITIVE_INFINITY)
}

/** Writes up to `count` digits of the spelling from `from` to `last`, passing over its point; answers the next one. */
function writeDigits(scan: JsonScan, from: number, last: number, count: number): number {
  const { input, output } = scan
  let at = from
  for (let left = count; left > 0 && at <= last; at++) {
    const byte = input[at] ?? 0
    if (byte === POINT) continue
    output[scan.length++] = byte
    left--
  }
  return at
}

/**
 * Writes the exponent whose digits stand at [from, end), moved by `delta`. It has at least 16 digits and `delta`, a count
 * of digits in the document, at most 9: the sign stays, and at most one digit comes or goes.
 */
function writeLongExponent(scan: JsonScan, from: number, end: number, negative: boolean, delta: number): void {
  const { input } = scan
  writeText(scan, negative ? 'e-' : 'e+')
  const begin = scan.length
  for (let at = from; at < end; at++) write(scan, input[at] ?? 0)
  let carry = negative ? -delta : delta
  for (let at = scan.length - 1; carry !== 0 && at >= begin; at--) {
    const sum = (scan.output[at] ?? 0) - ZERO + carry
    const digit = ((sum % 10) + 10) % 10
    scan.output[at] = ZERO + digit
    carry = (sum - digit) / 10
  }
  if (carry > 0) {
    scan.output.copyWithin(begin + 1, begin, scan.length++)
    scan.output[begin] = ZERO + carry
  } else if (scan.output[begin] === ZERO) {
    scan.output.copyWithin(begin, begin + 1, scan.length--)
  }
}

function write(scan: JsonScan, byte: number): void {
  scan.output[scan.length++] = byte
}

function writeText(scan: JsonScan, ascii: string): void {
  for (let at = 0; at < ascii.length; at++) write(scan, ascii.charCodeAt(at))
}
