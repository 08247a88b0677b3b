import { type Frame, type Framing, jsonFrame } from './frame.ts'
import { JsonReader } from './json-reader.ts'
import type { JsonShape } from './json-shape.ts'

/** What may come next. */
type Place = 'start' | 'item or end' | 'item' | 'inside' | 'comma or end' | 'over' | 'broken'

/** The items of one JSON array, each a frame as soon as it is whole. An object alone is a frame, too: an error. */
export class JsonArrayFraming implements Framing {
  readonly #onFrame: (frame: Frame) => void
  readonly #json: JsonReader
  #readBytes = 0
  #place: Place = 'start'
  #isAlone = false
  #atBytes: number | undefined

  constructor(shape: JsonShape, onFrame: (frame: Frame) => void) {
    this.#json = new JsonReader(shape)
    this.#onFrame = onFrame
  }

  get unfinishedAtBytes(): number | undefined {
    return this.#atBytes
  }

  get missing(): string | undefined {
    return this.#place === 'over' ? undefined : 'the body is no whole JSON array'
  }

  write(bytes: Uint8Array, start: number): void {
    let at = start
    while (at < bytes.length && this.#place !== 'broken') {
      if (this.#place === 'inside') at = this.#readItem(bytes, at)
      else this.#readMark(bytes[at] ?? 0, this.#readBytes + at++)
    }
    this.#readBytes += bytes.length
  }

  end(): void {
    this.#atBytes = undefined
  }

  #readMark(byte: number, atBytes: number): void {
    const mark = String.fromCharCode(byte)
    if (' \n\r\t'.includes(mark)) return
    switch (this.#place) {
      case 'start':
        this.#isAlone = mark !== '['
        if (this.#isAlone) return this.#beginItem(mark, atBytes)
        this.#place = 'item or end'
        return
      case 'item or end':
        if (mark !== ']') return this.#beginItem(mark, atBytes)
        this.#place = 'over'
        return
      case 'item':
        return this.#beginItem(mark, atBytes)
      case 'comma or end':
        this.#place = mark === ',' ? 'item' : mark === ']' ? 'over' : 'broken'
        return
      default:
        this.#place = 'broken'
    }
  }

  /** Items of every API are objects. */
  #beginItem(mark: string, atBytes: number): void {
    this.#place = mark === '{' ? 'inside' : 'broken'
    this.#json.reset()
    this.#json.write(Buffer.from(mark))
    if (mark === '{') this.#atBytes = atBytes
  }

  #readItem(bytes: Uint8Array, start: number): number {
    const at = this.#json.write(bytes, start)
    if (this.#json.state === 'open') return at
    const atBytes = this.#atBytes ?? 0
    this.#atBytes = undefined
    this.#place = this.#json.state === 'broken' ? 'broken' : this.#isAlone ? 'over' : 'comma or end'
    if (this.#place !== 'broken') {
      this.#onFrame(jsonFrame(this.#json.value, atBytes, this.#readBytes + at))
    }
    return at
  }
}
