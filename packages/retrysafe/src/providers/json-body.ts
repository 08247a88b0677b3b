import { type Frame, type Framing, jsonFrame } from './frame.ts'
import { JsonReader } from './json-reader.ts'
import type { JsonShape } from './json-shape.ts'

/** One JSON document: a single frame, found at its end. It is not held back: it is its own terminal frame. */
export class JsonBodyFraming implements Framing {
  readonly unfinishedAtBytes: undefined
  readonly #onFrame: (frame: Frame) => void
  readonly #json: JsonReader
  #readBytes = 0

  constructor(shape: JsonShape, onFrame: (frame: Frame) => void) {
    this.#json = new JsonReader(shape)
    this.#onFrame = onFrame
  }

  get missing(): string | undefined {
    return this.#json.state === 'whole' ? undefined : 'the body is no whole JSON document'
  }

  write(bytes: Uint8Array, start: number): void {
    this.#json.writeAll(bytes, start)
    this.#readBytes += bytes.length
  }

  end(): void {
    this.#json.end()
    if (this.#json.state !== 'whole') return
    this.#onFrame(jsonFrame(this.#json.value, 0, this.#readBytes))
  }
}
