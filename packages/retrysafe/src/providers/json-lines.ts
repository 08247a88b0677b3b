import { type Frame, type Framing, jsonFrame } from './frame.ts'
import { JsonReader } from './json-reader.ts'
import type { JsonShape } from './json-shape.ts'

const lineFeed = 0x0a

/** JSON values, one a line. Empty lines are nothing; the last line may do without its end. */
export class JsonLinesFraming implements Framing {
  readonly missing: undefined
  readonly #onFrame: (frame: Frame) => void
  readonly #json: JsonReader
  #readBytes = 0
  #atBytes: number | undefined

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
      const found = bytes.indexOf(lineFeed, at)
      const end = found === -1 ? bytes.length : found
      if (end > at) this.#atBytes ??= this.#readBytes + at
      this.#json.writeAll(bytes, at, end)
      if (found !== -1) this.#endLine(this.#readBytes + end)
      at = end + 1
    }
    this.#readBytes += bytes.length
  }

  end(): void {
    this.#endLine(this.#readBytes)
  }

  #endLine(endBytes: number): void {
    if (this.#json.isBegun) {
      this.#onFrame(jsonFrame(this.#json.value, this.#atBytes ?? 0, endBytes))
    }
    this.#json.reset()
    this.#atBytes = undefined
  }
}
