import { hexValue } from './hexadecimal.ts'
import { MEMBER_NUMBERS, orderMembers } from './json-order.ts'
import { withRoom } from './json-scanner.ts'

/** `reason` never quotes the body. */
export type CanonicalForm = { kind: 'canonical'; bytes: Uint8Array } | { kind: 'invalid'; reason: string }

/** Most pairs of one form. */
export const MAX_FORM_PAIRS = 10_000

/** What a byte that is not spelled with a percent sign becomes, and which percent triplets are written out as bytes. */
export interface PairSpelling {
  /** Bytes that stand for themselves, 1; the others become percent triplets. */
  readonly literal: Uint8Array
  /** Triplets that become the byte they mean, 1; the others stay triplets, in upper case. */
  readonly decoded: Uint8Array
  readonly plusIsSpace: boolean
}

const AMPERSAND = 0x26
const EQUALS = 0x3d
const PERCENT = 0x25
const PLUS = 0x2b
const SPACE = 0x20

const unreserved = byteSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~')

/** A form as WHATWG URL §5 reads it: what a byte means counts, not how it is spelled. */
const formSpelling: PairSpelling = { literal: unreserved, decoded: unreserved, plusIsSpace: true }

/** A query as RFC 3986 §6.2.2 compares it: a reserved character is not the same as its triplet, and `+` is one of them. */
export const querySpelling: PairSpelling = {
  literal: new Uint8Array(256).fill(1),
  decoded: unreserved,
  plusIsSpace: false,
}

/** No URI holds these (RFC 3986 §2), and nothing that writes a form leaves them as they are; JSON and XML need them. */
const foreign = byteSet('"<>\\^`{|}').fill(1, 0, 0x21).fill(1, 0x7f)

function byteSet(characters: string): Uint8Array {
  const set = new Uint8Array(256)
  for (const byte of Buffer.from(characters, 'latin1')) set[byte] = 1
  return set
}

/**
 * Whether a body that is said to be a form can be one. `curl -d` says so of JSON, which Ollama and others read as JSON
 * all the same: there `1+1` is not `1 1`.
 */
export function isSpelledAsForm(body: Uint8Array): boolean {
  for (let at = 0; at < body.byteLength; at++) if (foreign[body[at] ?? 0] === 1) return false
  return true
}

/**
 * One spelling for forms of equal pairs: names in order, those of one name as they come. Nothing is lost: a percent sign
 * that begins no triplet stays one, while a spelled-out percent sign is `%25`; `a` and `a=` are two.
 *
 * @example
 * canonicalForm(Buffer.from('b=%7e+x&a=%')) // 'a=%&b=~+x'
 */
export function canonicalForm(body: Uint8Array): CanonicalForm {
  return canonicalPairs(body, formSpelling)
}

/** The same for any spelling of `name=value` pairs between `&`. */
export function canonicalPairs(input: Uint8Array, spelling: PairSpelling): CanonicalForm {
  // Each byte becomes three at most; `&` comes back between the pairs.
  const text = Buffer.allocUnsafe(input.byteLength * 3 + 1)
  // Per pair: where its name begins, bytes of the name, where the pair ends.
  let members: Int32Array = new Int32Array(MEMBER_NUMBERS * 16)
  let count = 0
  let length = 0
  for (let at = 0; at < input.byteLength; at++) {
    if (input[at] === AMPERSAND) continue
    const start = length
    const name = copyUntil(input, at, text, length, EQUALS, spelling)
    length = name.length
    const nameBytes = length - start
    at = name.at
    if (input[at] === EQUALS) {
      text[length++] = EQUALS
      const value = copyUntil(input, at + 1, text, length, AMPERSAND, spelling)
      length = value.length
      at = value.at
    }
    if (count === MAX_FORM_PAIRS)
      return { kind: 'invalid', reason: `more than ${MAX_FORM_PAIRS} pairs (MAX_FORM_PAIRS)` }
    members = withRoom(members, (count + 1) * MEMBER_NUMBERS)
    members.set([start, nameBytes, length], count * MEMBER_NUMBERS)
    count++
  }
  return { kind: 'canonical', bytes: inOrder(text.subarray(0, length), members.subarray(0, count * MEMBER_NUMBERS)) }
}

/** Copies up to the next `stop` or `&`; answers where that is, and how far the copy goes. */
function copyUntil(
  input: Uint8Array,
  from: number,
  text: Uint8Array,
  start: number,
  stop: number,
  { literal, decoded, plusIsSpace }: PairSpelling,
): { at: number; length: number } {
  let at = from
  let length = start
  for (; at < input.byteLength; at++) {
    const byte = input[at] ?? 0
    if (byte === stop || byte === AMPERSAND) break
    const meant = byte === PERCENT ? tripletValue(input, at) : -1
    if (meant >= 0) at += 2
    const value = meant >= 0 ? meant : byte
    const isSpace = value === SPACE || (byte === PLUS && plusIsSpace)
    if (plusIsSpace && isSpace) text[length++] = PLUS
    else if (meant < 0 && byte === PERCENT) text[length++] = PERCENT
    else if ((meant >= 0 ? decoded : literal)[value] !== 1) length = writeTriplet(text, length, value)
    else if (wouldEndTriplet(text, start, length, value)) length = writeTriplet(text, length, value)
    else text[length++] = value
  }
  return { at, length }
}

const hexDigits = Buffer.from('0123456789ABCDEF')

/** The byte that `%XX` at `at` means; negative when it is none. */
function tripletValue(input: Uint8Array, at: number): number {
  return (hexValue(input[at + 1]) << 4) | hexValue(input[at + 2])
}

/** After a percent sign that begins no triplet, `%%32A` as sent, the `A` must not make it one: `%2A` is a `*`. */
function wouldEndTriplet(text: Uint8Array, start: number, length: number, byte: number): boolean {
  if (length - 2 < start || text[length - 2] !== PERCENT) return false
  return hexValue(text[length - 1]) >= 0 && hexValue(byte) >= 0
}

function writeTriplet(text: Uint8Array, length: number, byte: number): number {
  text[length] = PERCENT
  text[length + 1] = hexDigits[byte >> 4] ?? 0
  text[length + 2] = hexDigits[byte & 15] ?? 0
  return length + 3
}

function inOrder(text: Buffer, members: Int32Array): Uint8Array {
  const names = { text, members }
  const result = Buffer.allocUnsafe(text.byteLength + members.length)
  let length = 0
  for (const member of orderMembers(names, 0, members.length)) {
    if (length > 0) result[length++] = AMPERSAND
    length += text.copy(result, length, members[member], members[member + 2])
  }
  return result.subarray(0, length)
}
