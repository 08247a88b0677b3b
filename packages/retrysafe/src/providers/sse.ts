/** One event of a stream: the value of `event:`, the joined `data:` lines, and where its first line begins. */
export interface SseEvent {
  readonly name: string
  readonly data: string
  readonly atBytes: number
}

/** Longest line that is looked at; the rest of a longer one goes by unread. */
const maxLineBytes = 16 * 1_048_576

const lineFeed = 10
const carriageReturn = 13

/**
 * Finds the events in a stream of bytes, split anywhere. Lines end with LF, CR or CRLF.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class SseScanner {
  readonly #onEvent: (event: SseEvent) => void
  #line: Uint8Array[] = []
  #lineBytes = 0
  #readBytes = 0
  #lineAtBytes = 0
  #afterReturn = false
  #name = ''
  #data: string | undefined
  #eventAtBytes: number | undefined

  constructor(onEvent: (event: SseEvent) => void) {
    this.#onEvent = onEvent
  }

  write(bytes: Uint8Array): void {
    let start = 0
    // CR LF may be split between two chunks: the LF then ends no second line.
    if (this.#afterReturn && bytes[0] === lineFeed) start = 1
    if (bytes.byteLength > 0) this.#afterReturn = false
    for (;;) {
      const end = endOfLine(bytes, start)
      if (end === -1) break
      this.#keep(bytes.subarray(start, end), start)
      const crlf = bytes[end] === carriageReturn && bytes[end + 1] === lineFeed
      this.#afterReturn = bytes[end] === carriageReturn && end + 1 === bytes.byteLength
      start = end + (crlf ? 2 : 1)
      this.#endLine()
    }
    this.#keep(bytes.subarray(start), start)
    this.#readBytes += bytes.byteLength
  }

  /** The beginning of an event that has not ended yet; a finished line of it ends with `\n`. Short ones only. */
  get unfinished(): { text: string; atBytes: number } | undefined {
    if (this.#data !== undefined) {
      if (this.#lineBytes > 0 || this.#data.length > 64) return undefined
      return { text: `data: ${this.#data}\n`, atBytes: this.#eventAtBytes ?? 0 }
    }
    if (this.#lineBytes === 0 || this.#lineBytes > 64) return undefined
    const text = Buffer.concat(this.#line).toString('utf8')
    return { text, atBytes: this.#eventAtBytes ?? this.#lineAtBytes }
  }

  /** A stream may end right after its last line, without the blank one. */
  end(): void {
    if (this.#lineBytes > 0) this.#endLine()
    this.#dispatch()
  }

  /** @param at where these bytes stand in the chunk */
  #keep(bytes: Uint8Array, at: number): void {
    if (bytes.byteLength === 0) return
    if (this.#lineBytes === 0) this.#lineAtBytes = this.#readBytes + at
    if (this.#lineBytes < maxLineBytes) this.#line.push(bytes)
    this.#lineBytes += bytes.byteLength
  }

  #endLine(): void {
    const line = this.#line.length === 1 ? this.#line[0] : Buffer.concat(this.#line)
    this.#line = []
    this.#lineBytes = 0
    if (line === undefined || line.byteLength === 0) {
      this.#dispatch()
      this.#eventAtBytes = undefined
      return
    }
    this.#eventAtBytes ??= this.#lineAtBytes
    const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString('utf8')
    this.#field(this.#lineAtBytes === 0 && text.startsWith('\uFEFF') ? text.slice(1) : text)
  }

  #field(line: string): void {
    const colon = line.indexOf(':')
    const name = colon === -1 ? line : line.slice(0, colon)
    if (name !== 'data' && name !== 'event') return
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'event') this.#name = value
    else this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
  }

  #dispatch(): void {
    const data = this.#data
    const name = this.#name
    this.#data = undefined
    this.#name = ''
    if (data !== undefined) this.#onEvent({ name, data, atBytes: this.#eventAtBytes ?? 0 })
  }
}

/** The nearest CR or LF from `start` on, or -1. */
function endOfLine(bytes: Uint8Array, start: number): number {
  const feed = bytes.indexOf(lineFeed, start)
  const back = bytes.subarray(start, feed === -1 ? bytes.byteLength : feed).indexOf(carriageReturn)
  return back === -1 ? feed : start + back
}
