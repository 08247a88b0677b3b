/** Gets the parts of a multipart body as they come. */
export interface PartSink {
  /** The head of the next part, without the empty line; the bytes are the scanner's. Answers why it is broken, if so. */
  head(bytes: Buffer): string | undefined
  /** The next bytes of that part. */
  body(bytes: Buffer): void
  /** The part is whole. */
  end(): void
}

/** Longest head of one part. */
export const MAX_PART_HEAD_BYTES = 16_384
/** Most parts of one body. */
export const MAX_PARTS = 1_000

const LF = 0x0a
const CR = 0x0d
const DASH = 0x2d
const headEnd = Buffer.from('\r\n\r\n')

/** Where the next byte stands; `closed` to `epilogue` come after the last boundary. */
type Place =
  | 'preamble'
  | 'delimiter'
  | 'first dash'
  | 'padding'
  | 'line end'
  | 'head'
  | 'body'
  | 'closed'
  | 'closed line end'
  | 'epilogue'

/**
 * Takes a multipart body apart (RFC 2046 §5.1.1) that comes in chunks cut anywhere. It keeps no chunk, and of the body
 * only a part's head. Strict: what two readers could read in two ways, such as a line that begins with the boundary and
 * goes on, is broken.
 */
export class MultipartScanner {
  readonly #delimiter: Buffer
  readonly #sink: PartSink
  readonly #head = Buffer.allocUnsafe(MAX_PART_HEAD_BYTES + headEnd.byteLength)
  #headBytes = 0
  #parts = 0
  #place: Place = 'preamble'
  /** Bytes of the delimiter, or of the head's end, that stand directly before here. */
  #matched = 2
  /** How many of them belong to what came before: a delimiter's line break may be that of the line before. */
  #borrowed = 2
  #broken: string | undefined

  constructor(boundary: string, sink: PartSink) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
    this.#sink = sink
  }

  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let at = 0
    while (at < bytes.byteLength && this.#broken === undefined) at = this.#take(bytes, at)
  }

  /** No more will come. Answers why the body is no whole multipart body, or nothing when it is one. */
  end(): string | undefined {
    if (this.#broken !== undefined) return this.#broken
    if (this.#place === 'closed' || this.#place === 'epilogue') return undefined
    return this.#place === 'preamble' ? 'its boundary is nowhere in it' : 'the last boundary is missing'
  }

  /** Takes bytes from `at` on; answers where it stopped. */
  #take(bytes: Buffer, at: number): number {
    switch (this.#place) {
      case 'preamble':
      case 'body':
        return this.#takeContent(bytes, at)
      case 'head':
        return this.#takeHead(bytes, at)
      case 'epilogue':
        return bytes.byteLength
      default:
        this.#takeDelimiterLine(bytes[at] ?? 0)
        return at + 1
    }
  }

  /**
   * Bytes up to the next delimiter. It holds no CR but its first byte, so after a mismatch a new match can only begin at
   * a CR, and a match that the chunk cuts can only begin at the chunk's last one.
   */
  #takeContent(bytes: Buffer, from: number): number {
    let at = from
    while (this.#matched > 0 && at < bytes.byteLength) {
      if (bytes[at] !== this.#delimiter[this.#matched]) {
        this.#content(this.#delimiter.subarray(this.#borrowed, this.#matched))
        this.#matched = 0
        this.#borrowed = 0
      } else if (++this.#matched === this.#delimiter.byteLength) return this.#delimited(at + 1)
      else at++
    }
    if (at === bytes.byteLength) return at
    const found = bytes.indexOf(this.#delimiter, at)
    if (found !== -1) {
      this.#content(bytes.subarray(at, found))
      return this.#delimited(found + this.#delimiter.byteLength)
    }
    const last = bytes.lastIndexOf(CR)
    const isCut = last >= at && this.#delimiter.subarray(0, bytes.byteLength - last).equals(bytes.subarray(last))
    this.#content(bytes.subarray(at, isCut ? last : bytes.byteLength))
    if (isCut) this.#matched = bytes.byteLength - last
    return bytes.byteLength
  }

  #content(bytes: Buffer): void {
    if (this.#place === 'body' && bytes.byteLength > 0) this.#sink.body(bytes)
  }

  #delimited(at: number): number {
    if (this.#place === 'body') this.#sink.end()
    this.#place = 'delimiter'
    return at
  }

  /** The rest of a boundary's line: `--` after the last, then spaces. */
  #takeDelimiterLine(byte: number): void {
    const isSpace = byte === 0x20 || byte === 0x09
    switch (this.#place) {
      case 'delimiter':
        if (byte === DASH) this.#place = 'first dash'
        else if (isSpace) this.#place = 'padding'
        else this.#expect(byte === CR, 'line end')
        return
      case 'first dash':
        return this.#expect(byte === DASH, 'closed')
      case 'padding':
        return isSpace ? undefined : this.#expect(byte === CR, 'line end')
      case 'line end':
        this.#expect(byte === LF, 'head')
        return this.#beginPart()
      case 'closed':
        return isSpace ? undefined : this.#expect(byte === CR, 'closed line end')
      default:
        return this.#expect(byte === LF, 'epilogue')
    }
  }

  #expect(isThere: boolean, next: Place): void {
    this.#place = next
    if (!isThere) this.#broken = 'a line begins with the boundary and goes on'
  }

  #beginPart(): void {
    this.#headBytes = 0
    this.#matched = 2
    if (++this.#parts > MAX_PARTS) this.#broken = `more than ${MAX_PARTS} parts (MAX_PARTS)`
  }

  #takeHead(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.byteLength; at++) {
      const byte = bytes[at] ?? 0
      this.#head[this.#headBytes++] = byte
      this.#matched = byte === headEnd[this.#matched] ? this.#matched + 1 : byte === CR ? 1 : 0
      if (this.#matched === headEnd.byteLength) {
        this.#endHead()
        return at + 1
      }
      if (this.#headBytes === this.#head.byteLength) {
        this.#broken = `the head of a part is longer than ${MAX_PART_HEAD_BYTES} bytes (MAX_PART_HEAD_BYTES)`
        return bytes.byteLength
      }
    }
    return bytes.byteLength
  }

  /** An empty line alone is an empty head; its own line break is all of it. */
  #endHead(): void {
    this.#broken = this.#sink.head(this.#head.subarray(0, Math.max(0, this.#headBytes - headEnd.byteLength)))
    this.#place = 'body'
    this.#matched = 2
    this.#borrowed = 2
  }
}
