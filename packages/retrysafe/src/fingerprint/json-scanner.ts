/**
 * One pass over a JSON document: what is read, what was written of it, which containers are open.
 * Invariant that keeps the hot loops free of bounds checks on writes: `output` has at least as much room left as
 * `input` has bytes left. Only numbers can grow (`1e20` is written out); they ask for room first.
 */
export interface JsonScan {
  readonly input: Uint8Array
  /** The same bytes, to be read four at a time. */
  readonly inputWords: DataView
  /** Next byte to read. */
  offset: number
  output: Uint8Array
  outputWords: DataView
  /** Bytes written so far. */
  length: number
  /** Open containers and the members seen in them; laid out by json-members.ts. */
  open: Int32Array
  /** How many numbers of `open` are in use. */
  openLength: number
  /** Index in `open` of the innermost container, -1 outside of all. */
  frame: number
  /** Objects whose members must change places, in the order in which they closed; laid out by json-members.ts. */
  moves: Int32Array
  movesLength: number
  /** For json-members.ts to start its second pass with. */
  readonly ranges: Int32Array
}

/** Thrown inside this folder only: `canonicalJson` turns it into an answer. Its message never quotes the document. */
export class InvalidJson extends Error {
  readonly offsetBytes: number
  constructor(reason: string, offsetBytes: number) {
    super(reason)
    this.offsetBytes = offsetBytes
  }
}

export const QUOTE = 0x22
export const COMMA = 0x2c
export const MINUS = 0x2d
export const COLON = 0x3a
export const BACKSLASH = 0x5c
export const ARRAY_START = 0x5b
export const ARRAY_END = 0x5d
export const OBJECT_START = 0x7b
export const OBJECT_END = 0x7d

/** No byte: the document is over. */
export const END = -1

/** Bytes that a number may need beyond its own spelling: the 20 zeros of `1e20`, or point and exponent. */
const NUMBER_GROWTH_BYTES = 32

/** What a scan writes into. */
interface Workspace {
  output: Uint8Array
  outputWords: DataView
  open: Int32Array
  moves: Int32Array
  ranges: Int32Array
}

function newWorkspace(documentBytes: number): Workspace {
  const output = new Uint8Array(documentBytes + NUMBER_GROWTH_BYTES)
  const numbers = (): Int32Array => new Int32Array(1024)
  return { output, outputWords: viewOf(output), open: numbers(), moves: numbers(), ranges: numbers() }
}

/**
 * Documents up to this size share one workspace, as large as the largest of them: to make one each took a third of the
 * time for a document of 1 KB, and of a file of larger ones left several times its size to the garbage collector.
 */
const SHARED_WORKSPACE_BYTES = 1_048_576
const FIRST_WORKSPACE_BYTES = 65_536
let sharedWorkspace: Workspace | undefined
let sharedBytes = 0

function workspaceFor(documentBytes: number): Workspace {
  if (documentBytes > SHARED_WORKSPACE_BYTES) return newWorkspace(documentBytes)
  if (sharedWorkspace === undefined || documentBytes > sharedBytes) {
    sharedBytes = FIRST_WORKSPACE_BYTES
    while (sharedBytes < documentBytes) sharedBytes *= 2
    sharedWorkspace = newWorkspace(sharedBytes)
  }
  return sharedWorkspace
}

/** A scan must be over, and its result copied out of `output`, before the next one starts. */
export function startScan(input: Uint8Array): JsonScan {
  const { output, outputWords, open, moves, ranges } = workspaceFor(input.length)
  return {
    input,
    inputWords: viewOf(input),
    offset: 0,
    output,
    outputWords,
    length: 0,
    open,
    openLength: 0,
    frame: -1,
    moves,
    movesLength: 0,
    ranges,
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Skips white space (RFC 8259 §2) and answers the byte that follows, not yet consumed, or `END`. */
export function peekToken(scan: JsonScan): number {
  const { input } = scan
  const end = input.length
  let offset = scan.offset
  while (offset < end) {
    const byte = input[offset] ?? END
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) {
      scan.offset = offset
      return byte
    }
    offset++
  }
  scan.offset = end
  return END
}

/** Consumes one byte and writes it as it is. */
export function copyByte(scan: JsonScan, byte: number): void {
  scan.offset++
  scan.output[scan.length++] = byte
}

/** Called before a number is written: room for its growth, so that the invariant still holds after it. */
export function makeRoom(scan: JsonScan): void {
  const needed = scan.length + (scan.input.length - scan.offset) + NUMBER_GROWTH_BYTES
  if (needed <= scan.output.length) return
  const larger = new Uint8Array(needed + (scan.output.length >>> 1))
  larger.set(scan.output.subarray(0, scan.length))
  scan.output = larger
  scan.outputWords = viewOf(larger)
}

/** `numbers`, or a larger copy of it, with room for `length` of them. */
export function withRoom(numbers: Int32Array, length: number): Int32Array {
  if (length <= numbers.length) return numbers
  const larger = new Int32Array(Math.max(length, numbers.length * 2))
  larger.set(numbers)
  return larger
}

export function unexpected(scan: JsonScan, wanted: string): InvalidJson {
  const atEnd = scan.offset >= scan.input.length
  return new InvalidJson(`${wanted} was expected${atEnd ? ', the document ends here' : ''}`, scan.offset)
}
