const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const objectEnd = 0x7d
const decoder = new TextDecoder()

/** Where the value of a member stands. */
export interface MemberRange {
  /** First byte of the value. */
  readonly start: number
  /** Behind its last byte. */
  readonly end: number
}

/**
 * Visits the members of the object that begins at `start`, in their order, also those that are there twice. Nothing is
 * copied but names, and nothing is read as a number: a value's bytes are to be had as they stand.
 *
 * @param bytes JSON that was checked: whatever else it is, the answer is nonsense
 */
export function visitMembers(
  bytes: Uint8Array,
  start: number,
  visit: (name: string, range: MemberRange) => void,
): void {
  let at = skipSpace(bytes, skipSpace(bytes, start) + 1)
  while (at < bytes.length && bytes[at] !== objectEnd) {
    if (bytes[at] === comma) at = skipSpace(bytes, at + 1)
    const nameEnd = endOfString(bytes, at)
    const name = textAt(bytes, at, nameEnd)
    const valueStart = skipSpace(bytes, skipSpace(bytes, nameEnd) + 1)
    const end = endOfValue(bytes, valueStart)
    visit(name, { start: valueStart, end })
    at = skipSpace(bytes, end)
  }
}

/** The value of a member of that name; of several the last, as parsers have it. */
export function findMember(bytes: Uint8Array, start: number, wanted: string): MemberRange | undefined {
  let found: MemberRange | undefined
  visitMembers(bytes, start, (name, range) => {
    if (name === wanted) found = range
  })
  return found
}

/** The string that stands in these bytes, quotes included. */
export function textAt(bytes: Uint8Array, start: number, end: number): string {
  const inner = bytes.subarray(start + 1, end - 1)
  if (inner.indexOf(backslash) < 0) return decoder.decode(inner)
  return String(JSON.parse(decoder.decode(bytes.subarray(start, end))))
}

function skipSpace(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length && isSpace(bytes[at])) at++
  return at
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** Behind the value that begins at `start`. */
function endOfValue(bytes: Uint8Array, start: number): number {
  let depth = 0
  let at = start
  do {
    const byte = bytes[at]
    if (byte === quote) at = endOfString(bytes, at)
    else {
      if (byte === 0x7b || byte === 0x5b) depth++
      else if (byte === 0x7d || byte === 0x5d) depth--
      at++
    }
  } while (at < bytes.length && (depth > 0 || !isAfterValue(bytes[at])))
  return at
}

/** Behind a value outside of all others comes only what ends it; a number or word goes on until then. */
function isAfterValue(byte: number | undefined): boolean {
  return byte === comma || byte === objectEnd || byte === 0x5d || isSpace(byte)
}

/** Behind the quote that ends the string: the next one with an even number of backslashes before it. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let from = start + 1; ; ) {
    const at = bytes.indexOf(quote, from)
    if (at < 0) return bytes.length
    let first = at
    while (first > from && bytes[first - 1] === backslash) first--
    if ((at - first) % 2 === 0) return at + 1
    from = at + 1
  }
}
