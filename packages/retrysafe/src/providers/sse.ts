import { ByteWord } from './byte-word.ts'
import type { Frame, Framing } from './frame.ts'
import { JsonReader } from './json-reader.ts'
import type { JsonShape } from './json-shape.ts'

const lineFeed = 0x0a
const carriageReturn = 0x0d
const space = 0x20
const colon = 0x3a
const newLine = Buffer.from('\n')

/** Which part of a line is being read. */
type Part = 'start' | 'field' | 'space' | 'data' | 'name' | 'rest'

/**
 * Finds the events in a stream of bytes. Lines end with LF, CR or CRLF, frames with an empty line or with the stream.
 * Data is read as JSON while it comes, so nothing of an event is kept but what matters, however long it is. An error
 * may come as bare JSON where an event should (from Gemini, and from many a proxy).
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class SseFraming implements Framing {
  readonly missing: undefined
  readonly #onFrame: (frame: Frame) => void
  readonly #json: JsonReader
  #readBytes = 0
  #afterReturn = false
  #part: Part = 'start'
  readonly #dataField = new ByteWord('data')
  readonly #eventField = new ByteWord('event')
  // Of the frame that has begun.
  #atBytes: number | undefined
  #hasData = false
  #hasName = false
  #isBare = false
  readonly #errorName = new ByteWord('error')
  readonly #done = new ByteWord('[DONE]')

  constructor(shape: JsonShape, onFrame: (frame: Frame) => void) {
    this.#json = new JsonReader(shape)
    this.#onFrame = onFrame
  }

  get unfinishedAtBytes(): number | undefined {
    return this.#atBytes
  }

  write(bytes: Uint8Array, start: number): void {
    let at = start
    while (at < bytes.length) {
      const byte = bytes[at]
      if (byte === lineFeed || byte === carriageReturn) {
        // CR LF is one end of a line, also when it is split between two chunks.
        if (byte === carriageReturn || !this.#afterReturn) this.#endLine(this.#readBytes + at)
        this.#afterReturn = byte === carriageReturn
        at++
      } else {
        this.#afterReturn = false
        const end = endOfLine(bytes, at)
        this.#readLine(bytes, at, end)
        at = end
      }
    }
    this.#readBytes += bytes.length
  }

  end(): void {
    if (this.#part !== 'start') this.#endLine(this.#readBytes)
    this.#endFrame(this.#readBytes)
  }

  /** Some bytes of one line. */
  #readLine(bytes: Uint8Array, start: number, end: number): void {
    let at = start
    if (this.#part === 'start') this.#beginLine(bytes[at], this.#readBytes + at)
    while (this.#part === 'field' && at < end) this.#readField(bytes[at++] ?? 0)
    if (this.#part === 'space' && at < end) {
      if (bytes[at] === space) at++
      this.#beginValue()
    }
    if (this.#part === 'data') {
      readWord(this.#done, bytes, at, end)
      this.#json.writeAll(bytes, at, end)
    } else if (this.#part === 'name') readWord(this.#errorName, bytes, at, end)
  }

  #beginLine(byte: number | undefined, atBytes: number): void {
    if (this.#atBytes === undefined) {
      this.#atBytes = atBytes
      this.#isBare = byte === 0x7b || byte === 0x5b
    }
    if (this.#isBare) return this.#beginData()
    this.#part = 'field'
    this.#dataField.reset()
    this.#eventField.reset()
  }

  #readField(byte: number): void {
    if (byte === colon) {
      this.#part = 'space'
      return
    }
    this.#dataField.read(byte)
    this.#eventField.read(byte)
  }

  #beginValue(): void {
    if (this.#dataField.isWhole) return this.#beginData()
    if (!this.#eventField.isWhole) {
      this.#part = 'rest'
      return
    }
    this.#part = 'name'
    this.#hasName = true
    this.#errorName.reset()
  }

  /** Lines of data are joined by LF. */
  #beginData(): void {
    this.#part = 'data'
    if (this.#hasData) {
      readWord(this.#done, newLine, 0, 1)
      this.#json.writeAll(newLine)
    }
    this.#hasData = true
  }

  #endLine(atBytes: number): void {
    if (this.#part === 'start') return this.#endFrame(atBytes)
    // A field without a value, with its colon or without, has an empty one.
    if (this.#part === 'field' || this.#part === 'space') this.#beginValue()
    this.#part = 'start'
  }

  #endFrame(endBytes: number): void {
    const isNamedError = this.#hasName && this.#errorName.isWhole
    // By the standard an event without data is none, but SDKs raise at an error without.
    if (this.#hasData || isNamedError) {
      this.#json.end()
      this.#onFrame({
        isNamedError,
        isDone: this.#done.isPrefix,
        value: this.#json.value,
        atBytes: this.#atBytes ?? 0,
        endBytes,
        isBare: this.#isBare,
      })
      this.#json.reset()
    }
    this.#atBytes = undefined
    this.#hasData = false
    this.#hasName = false
    this.#done.reset()
  }
}

function readWord(word: ByteWord, bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end && !word.isOver; at++) word.read(bytes[at] ?? 0)
}

/** The nearest CR or LF from `start` on, or the end. */
function endOfLine(bytes: Uint8Array, start: number): number {
  const { length } = bytes
  for (let at = start; at < length; at++) {
    const byte = bytes[at]
    if (byte === lineFeed || byte === carriageReturn) return at
  }
  return length
}
