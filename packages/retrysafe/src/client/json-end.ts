const quote = 0x22
const backslash = 0x5c

/**
 * Finds the end of a JSON object in bytes that come in pieces. `open`: it is not there yet; `whole`: nothing but white
 * space follows it so far; `other`: this is no single object, so it may be a stream.
 */
export class JsonEnd {
  #depth = 0
  #inText = false
  #escaped = false
  state: 'open' | 'whole' | 'other' = 'open'

  write(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.state === 'other') return
      if (this.#inText) this.#text(byte)
      else this.#token(byte)
    }
  }

  #text(byte: number): void {
    if (this.#escaped) this.#escaped = false
    else if (byte === backslash) this.#escaped = true
    else if (byte === quote) this.#inText = false
  }

  #token(byte: number): void {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return
    const opens = byte === 0x7b || byte === 0x5b
    if (this.#depth === 0 && (this.state === 'whole' || byte !== 0x7b)) this.state = 'other'
    else if (byte === quote) this.#inText = true
    else if (opens) this.#depth++
    else if ((byte === 0x7d || byte === 0x5d) && --this.#depth === 0) this.state = 'whole'
  }
}
