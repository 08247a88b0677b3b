import type { JsonMember } from './json-shape.ts'

/** Longest string or number that is kept, in bytes as written. */
const maxTextBytes = 256

const quote = 0x22
const backslash = 0x5c

/** The text of one string or number of JSON: checked, and kept up to 256 bytes if it is wanted. */
export class JsonText {
  // Nothing is read of it that was not written before; a share of Node's pool is cheaper than memory of its own.
  readonly #bytes = Buffer.allocUnsafe(maxTextBytes)
  #lengthBytes = 0
  #isWanted = false
  #hasEscape = false
  /** 5 after a backslash, then as many hex digits as are left. */
  #escapeLeft = 0
  #state: 'open' | 'whole' | 'broken' = 'open'

  begin(isWanted: boolean): void {
    this.#lengthBytes = 0
    this.#isWanted = isWanted
    this.#hasEscape = false
    this.#escapeLeft = 0
    this.#state = 'open'
  }

  get isWanted(): boolean {
    return this.#isWanted
  }

  /** Of a string: `whole` at its closing quote. */
  get state(): 'open' | 'whole' | 'broken' {
    return this.#state
  }

  keep(byte: number): void {
    if (!this.#isWanted) return
    if (this.#lengthBytes < maxTextBytes) this.#bytes[this.#lengthBytes] = byte
    this.#lengthBytes++
  }

  /** Takes in what follows the opening quote. @returns the offset of the first byte that is no part of the string */
  readString(bytes: Uint8Array, start: number, end: number): number {
    let at = start
    while (at < end && this.#state === 'open') {
      if (this.#escapeLeft > 0) {
        this.#readEscape(bytes[at++] ?? 0)
        continue
      }
      const from = at
      while (at < end) {
        const byte = bytes[at] ?? 0
        if (byte === quote || byte === backslash || byte < 0x20) break
        at++
      }
      if (this.#isWanted) this.#keepAll(bytes, from, at)
      if (at < end) this.#readMark(bytes[at++] ?? 0)
    }
    return at
  }

  names({ name, bytes }: JsonMember): boolean {
    if (this.#hasEscape) return this.decode() === name
    if (bytes.length !== this.#lengthBytes) return false
    for (let at = 0; at < bytes.length; at++) if (bytes[at] !== this.#bytes[at]) return false
    return true
  }

  /** @returns `undefined` when it was longer than is kept */
  decode(): string | undefined {
    if (this.#lengthBytes > maxTextBytes) return undefined
    const text = this.#bytes.toString('utf8', 0, this.#lengthBytes)
    return this.#hasEscape ? JSON.parse(`"${text}"`) : text
  }

  #keepAll(bytes: Uint8Array, start: number, end: number): void {
    const kept = this.#bytes
    const shift = this.#lengthBytes - start
    const last = Math.min(end, maxTextBytes - shift)
    for (let at = start; at < last; at++) kept[at + shift] = bytes[at] ?? 0
    this.#lengthBytes += end - start
  }

  #readMark(byte: number): void {
    if (byte === quote) this.#state = 'whole'
    else if (byte === backslash) {
      this.#escapeLeft = 5
      this.#hasEscape = true
      this.keep(byte)
    } else this.#state = 'broken'
  }

  #readEscape(byte: number): void {
    this.keep(byte)
    if (this.#escapeLeft === 5) {
      if (byte === 0x75) this.#escapeLeft = 4
      else if ('"\\/bfnrt'.includes(String.fromCharCode(byte))) this.#escapeLeft = 0
      else this.#state = 'broken'
    } else if (isHexDigit(byte)) this.#escapeLeft--
    else this.#state = 'broken'
  }
}

function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)
}
