import { open } from 'node:fs/promises'

/** Longest line of input, 64 MiB. */
const maxLineBytes = 67_108_864

const chunkBytes = 262_144
/** What long lines have made larger is not given up for each of them. */
const keptBytes = 4_194_304
const newline = 0x0a

/** One line of a file of JSON lines. */
export interface JsonlLine {
  /** From 1; blank lines count. */
  readonly lineNumber: number
  /** Where it begins in the file. */
  readonly offsetBytes: number
  /** Behind its newline. */
  readonly endBytes: number
  /** Without its end, and without a byte order mark. To be read, or copied, before the next line is asked for. */
  readonly bytes: Uint8Array
  /** False for a last line without a newline: whole, or torn. */
  readonly isEnded: boolean
}

/** A line is longer than is taken. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong'
  readonly lineNumber: number

  constructor(lineNumber: number, lineBytes: number, maxBytes: number) {
    super(`the line is too long: at least ${lineBytes} bytes > ${maxBytes} (maxLineBytes)`)
    this.lineNumber = lineNumber
  }
}

/**
 * The lines of a file, one after the other, in memory of one line. Lines end with LF or CRLF; blank ones are left out.
 *
 * @param maxBytes of a line
 * @throws {LineTooLong} and whatever the file system says
 */
export async function* readJsonlLines(
  path: string,
  maxBytes: number = maxLineBytes,
): AsyncGenerator<JsonlLine, void, undefined> {
  const file = await open(path, 'r')
  try {
    /** Lines are parts of it, also those that came in pieces: a copy of each would be left to the garbage collector. */
    let room: Buffer = Buffer.allocUnsafe(chunkBytes)
    /** What of it is read and not given yet: the beginning of a line. */
    let restBytes = 0
    let lineNumber = 1
    let offsetBytes = 0
    for (;;) {
      if (restBytes === room.length) room = resized(room, restBytes, Math.min(2 * restBytes, maxBytes + chunkBytes))
      const { bytesRead } = await file.read(room, restBytes, room.length - restBytes, offsetBytes + restBytes)
      if (bytesRead === 0) break
      const filled = room.subarray(0, restBytes + bytesRead)
      let from = 0
      let end = filled.indexOf(newline, restBytes)
      for (; end >= 0; end = filled.indexOf(newline, from)) {
        const bytes = filled.subarray(from, end)
        if (bytes.length > maxBytes) throw new LineTooLong(lineNumber, bytes.length, maxBytes)
        const endBytes = offsetBytes + bytes.length + 1
        if (!isBlank(bytes))
          yield { lineNumber, offsetBytes, endBytes, bytes: trimmed(bytes, offsetBytes), isEnded: true }
        offsetBytes = endBytes
        lineNumber++
        from = end + 1
      }
      restBytes = filled.length - from
      if (restBytes > maxBytes) throw new LineTooLong(lineNumber, restBytes, maxBytes)
      if (from > 0) room.copyWithin(0, from, filled.length)
      // One long line among short ones.
      if (room.length > keptBytes && restBytes < chunkBytes) room = resized(room, restBytes, chunkBytes)
    }
    const bytes = room.subarray(0, restBytes)
    const endBytes = offsetBytes + bytes.length
    if (!isBlank(bytes)) yield { lineNumber, offsetBytes, endBytes, bytes: trimmed(bytes, offsetBytes), isEnded: false }
  } finally {
    await file.close()
  }
}

function resized(room: Buffer, restBytes: number, lengthBytes: number): Buffer {
  const other = Buffer.allocUnsafe(lengthBytes)
  room.copy(other, 0, 0, restBytes)
  return other
}

/** Nothing but white space (RFC 8259 §2). */
function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  return true
}

/** Without the mark that some editors begin a file with, and without the CR of a CRLF. */
function trimmed(bytes: Uint8Array, offsetBytes: number): Uint8Array {
  const hasMark = offsetBytes === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  const hasReturn = bytes[bytes.length - 1] === 0x0d
  return bytes.subarray(hasMark ? 3 : 0, bytes.length - (hasReturn ? 1 : 0))
}
