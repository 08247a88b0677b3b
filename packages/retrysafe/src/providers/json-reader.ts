import { mayNumberEnd, numberAfter } from './json-number.ts'
import { JsonSelection } from './json-selection.ts'
import type { JsonShape } from './json-shape.ts'
import { JsonText } from './json-text.ts'

/** Deepest nesting that is read. */
const maxDepth = 1_000_000

type Expected = 'value' | 'value or end' | 'name' | 'name or end' | 'colon' | 'comma or end'
type Token = 'none' | 'name' | 'string' | 'number' | 'word'
interface Word {
  readonly text: string
  readonly value: boolean | null
}

const noWord: Word = { text: 'null', value: null }
const words: ReadonlyMap<number, Word> = new Map([
  [0x74, { text: 'true', value: true }],
  [0x66, { text: 'false', value: false }],
  [0x6e, noWord],
])

/**
 * Reads one JSON value from bytes split anywhere, and keeps of it what a shape asks for; the rest is checked and read
 * over. It accepts what JSON.parse accepts, but nothing nested deeper than 1,000,000, in time linear in the bytes and
 * in bounded memory. What the shape names is there in its place; an object or array where the
 * shape asks for something plain is there as `{}` or `[]`, a string or number of over 256 bytes as `{}`; of all arrays
 * together, the first 1,024 items are there.
 *
 * @example
 * const reader = new JsonReader(members({ model: plain }))
 * reader.writeAll(Buffer.from('{"model":"m-1","choices":[1,2,3]}'))
 * reader.state // 'whole'
 * reader.value // { model: 'm-1' }
 * @see RFC 8259
 */
export class JsonReader {
  readonly #selection: JsonSelection
  readonly #text: JsonText = new JsonText()
  #state: 'open' | 'whole' | 'broken' = 'open'
  #isBegun = false
  #expected: Expected = 'value'
  #token: Token = 'none'
  /** Per open container: 1 for an object. */
  #kinds = new Uint8Array(64)
  #depth = 0
  #number = 0
  #word = noWord
  #wordAt = 0

  constructor(shape: JsonShape) {
    this.#selection = new JsonSelection(shape)
  }

  /** `whole`: a value has ended; `broken`: this is no JSON, or nested too deep. */
  get state(): 'open' | 'whole' | 'broken' {
    return this.#state
  }

  /** Whether anything but white space has come. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** What was kept; `undefined` before the value is whole. */
  get value(): unknown {
    return this.#state === 'whole' ? this.#selection.value : undefined
  }

  /** Makes it ready for another value. */
  reset(): void {
    this.#selection.reset()
    this.#state = 'open'
    this.#isBegun = false
    this.#expected = 'value'
    this.#token = 'none'
    this.#depth = 0
  }

  /** Takes these bytes up to the end of the value. @returns the offset of the first byte that was not taken */
  write(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
    let at = start
    while (at < end) {
      switch (this.#token) {
        case 'none': {
          if (this.#state !== 'open') return at
          const byte = bytes[at++] ?? 0
          if (!isSpace(byte)) this.#begin(byte)
          break
        }
        case 'name':
        case 'string':
          at = this.#text.readString(bytes, at, end)
          if (this.#text.state !== 'open') this.#endString()
          break
        case 'number':
          at = this.#readNumber(bytes, at, end)
          break
        case 'word':
          this.#readWord(bytes[at++] ?? 0)
          break
      }
    }
    return at
  }

  /** Takes these bytes of a text that is to hold one value and nothing else. */
  writeAll(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    for (let at = this.write(bytes, start, end); at < end; at++) {
      if (!isSpace(bytes[at] ?? 0)) return this.#break()
    }
  }

  /** Nothing follows: that alone ends a number outside of all else. */
  end(): void {
    if (this.#token === 'number' && this.#depth === 0) this.#endNumber()
  }

  #break(): void {
    this.#state = 'broken'
    this.#token = 'none'
  }

  #begin(byte: number): void {
    this.#isBegun = true
    switch (this.#expected) {
      case 'value or end':
        return byte === 0x5d ? this.#close() : this.#beginValue(byte)
      case 'value':
        return this.#beginValue(byte)
      case 'name or end':
        return byte === 0x7d ? this.#close() : this.#beginName(byte)
      case 'name':
        return this.#beginName(byte)
      case 'colon':
        if (byte !== 0x3a) return this.#break()
        this.#expected = 'value'
        return
      case 'comma or end':
        return this.#goOn(byte)
    }
  }

  #goOn(byte: number): void {
    const isObject = this.#kinds[this.#depth - 1] === 1
    if (byte === (isObject ? 0x7d : 0x5d)) return this.#close()
    if (byte !== 0x2c) return this.#break()
    this.#expected = isObject ? 'name' : 'value'
    if (!isObject) this.#selection.wantItem()
  }

  #beginName(byte: number): void {
    if (byte !== 0x22) return this.#break()
    this.#token = 'name'
    this.#text.begin(this.#selection.hasMembers)
  }

  #beginValue(byte: number): void {
    if (byte === 0x7b || byte === 0x5b) return this.#open(byte === 0x7b)
    this.#text.begin(this.#selection.isWanted)
    if (byte === 0x22) {
      this.#token = 'string'
      return
    }
    this.#number = numberAfter(0, byte)
    if (this.#number !== 0) {
      this.#token = 'number'
      return this.#text.keep(byte)
    }
    const word = words.get(byte)
    if (word === undefined) return this.#break()
    this.#token = 'word'
    this.#word = word
    this.#wordAt = 1
  }

  #open(isObject: boolean): void {
    if (this.#depth === maxDepth) return this.#break()
    if (this.#depth === this.#kinds.length) {
      const larger = new Uint8Array(this.#depth * 2)
      larger.set(this.#kinds)
      this.#kinds = larger
    }
    this.#kinds[this.#depth++] = isObject ? 1 : 0
    this.#selection.open(isObject)
    this.#expected = isObject ? 'name or end' : 'value or end'
    if (!isObject) this.#selection.wantItem()
  }

  #close(): void {
    this.#depth--
    this.#selection.close()
    this.#endValue()
  }

  #endValue(): void {
    this.#token = 'none'
    this.#expected = 'comma or end'
    if (this.#depth === 0) this.#state = 'whole'
  }

  #endString(): void {
    if (this.#text.state === 'broken') return this.#break()
    if (this.#token === 'name') {
      this.#token = 'none'
      this.#expected = 'colon'
      return this.#selection.wantMember(this.#text)
    }
    if (this.#text.isWanted) this.#selection.put(this.#text.decode() ?? {})
    this.#endValue()
  }

  #readNumber(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at] ?? 0
      const next = numberAfter(this.#number, byte)
      if (next === 0) {
        this.#endNumber()
        return at
      }
      this.#number = next
      this.#text.keep(byte)
    }
    return end
  }

  #endNumber(): void {
    if (!mayNumberEnd(this.#number)) return this.#break()
    if (this.#text.isWanted) {
      const text = this.#text.decode()
      this.#selection.put(text === undefined ? {} : Number(text))
    }
    this.#endValue()
  }

  #readWord(byte: number): void {
    if (byte !== this.#word.text.charCodeAt(this.#wordAt++)) return this.#break()
    if (this.#wordAt < this.#word.text.length) return
    this.#selection.put(this.#word.value)
    this.#endValue()
  }
}

/** RFC 8259 §2. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
