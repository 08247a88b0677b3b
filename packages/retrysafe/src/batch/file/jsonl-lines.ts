import { open } from 'node:fs/promises'

/** Longest line of input, 64 MiB. */
const maxLineBytes = 67_108_864

const chunkBytes = 262_144
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
    const chunk = Buffer.allocUnsafe(chunkBytes)
    /** Of a line that spans chunks: what has come of it. */
    let begun: Buffer[] = []
    let begunBytes = 0
    let lineNumber = 1
    let offsetBytes = 0
    let readAt = 0
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, readAt)
      if (bytesRead === 0) break
      readAt += bytesRead
      let from = 0
      for (;;) {
        const end = chunk.subarray(0, bytesRead).indexOf(newline, from)
        const piece = chunk.subarray(from, end < 0 ? bytesRead : end)
        if (begunBytes + piece.length > maxBytes) throw new LineTooLong(lineNumber, begunBytes + piece.length, maxBytes)
        if (end < 0) {
          // The chunk is written over by the next.
          if (piece.length > 0) begun.push(Buffer.from(piece))
          begunBytes += piece.length
          break
        }
        const bytes = begunBytes === 0 ? piece : Buffer.concat([...begun, piece])
        const endBytes = offsetBytes + bytes.length + 1
        if (!isBlank(bytes))
          yield { lineNumber, offsetBytes, endBytes, bytes: trimmed(bytes, offsetBytes), isEnded: true }
        offsetBytes = endBytes
        begun = []
        begunBytes = 0
        lineNumber++
        from = end + 1
      }
    }
    const bytes = Buffer.concat(begun)
    const endBytes = offsetBytes + bytes.length
    if (!isBlank(bytes)) yield { lineNumber, offsetBytes, endBytes, bytes: trimmed(bytes, offsetBytes), isEnded: false }
  } finally {
    await file.close()
  }
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
