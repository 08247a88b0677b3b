/** Hashes in a chunk, 512 KiB: what is not filled yet is all that is wasted. */
const chunkHashes = 65_536

/**
 * A set of 64-bit hashes in 8 bytes each: filled, then sealed, then asked. For a file of millions of lines a `Set` of
 * strings would take a hundred times the room.
 */
export class HashList {
  #chunks: Uint32Array[] = []
  #length = 0
  #sorted: Uint32Array | undefined

  get length(): number {
    return this.#length
  }

  /** @param hex at least 16 hexadecimal characters of a hash; the first 16 count */
  add(hex: string): void {
    const at = (this.#length % chunkHashes) * 2
    if (at === 0) this.#chunks.push(new Uint32Array(chunkHashes * 2))
    const chunk = this.#chunks.at(-1)
    if (chunk === undefined || this.#sorted !== undefined) throw new TypeError('the list is sealed')
    chunk[at + lowAt] = Number.parseInt(hex.slice(8, 16), 16)
    chunk[at + highAt] = Number.parseInt(hex.slice(0, 8), 16)
    this.#length++
  }

  /** Sorts them, natively: as 64-bit numbers. From here on nothing is added. */
  seal(): void {
    const sorted = new BigUint64Array(this.#length)
    const numbers = new Uint32Array(sorted.buffer)
    let at = 0
    for (let chunk = this.#chunks.shift(); chunk !== undefined; chunk = this.#chunks.shift()) {
      numbers.set(chunk.subarray(0, numbers.length - at), at)
      at += chunk.length
    }
    sorted.sort()
    this.#sorted = numbers
  }

  /** Its place among the hashes in their order, from 0; `undefined` when it is not one of them. The list is sealed. */
  placeOf(hex: string): number | undefined {
    const high = Number.parseInt(hex.slice(0, 8), 16)
    const low = Number.parseInt(hex.slice(8, 16), 16)
    let from = 0
    let to = this.#length
    while (from < to) {
      const middle = (from + to) >>> 1
      if (this.#isBelow(middle, high, low)) from = middle + 1
      else to = middle
    }
    const isThere = from < this.#length && this.#at(from * 2 + highAt) === high && this.#at(from * 2 + lowAt) === low
    return isThere ? from : undefined
  }

  /** Those that were added more than once, as 16 hexadecimal characters, at most `most` of them. The list is sealed. */
  repeated(most: number): Set<string> {
    const found = new Set<string>()
    for (let place = 1; place < this.#length && found.size < most; place++) {
      const at = place * 2
      const isSame = this.#at(at) === this.#at(at - 2) && this.#at(at + 1) === this.#at(at - 1)
      if (isSame) found.add(hexOf(this.#at(at + highAt)) + hexOf(this.#at(at + lowAt)))
    }
    return found
  }

  #isBelow(place: number, high: number, low: number): boolean {
    const ownHigh = this.#at(place * 2 + highAt)
    return ownHigh < high || (ownHigh === high && this.#at(place * 2 + lowAt) < low)
  }

  #at(index: number): number {
    return this.#sorted?.[index] ?? 0
  }
}

/** Which half of a 64-bit number stands first in this machine's memory. */
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
const lowAt = isLittleEndian ? 0 : 1
const highAt = 1 - lowAt

function hexOf(number: number): string {
  return number.toString(16).padStart(8, '0')
}

/** One bit for each place. */
export class Bits {
  readonly #bytes: Uint8Array

  constructor(length: number) {
    this.#bytes = new Uint8Array(Math.ceil(length / 8))
  }

  /** @returns whether it was set before */
  set(place: number): boolean {
    const mask = 1 << (place & 7)
    const before = this.#bytes[place >>> 3] ?? 0
    this.#bytes[place >>> 3] = before | mask
    return (before & mask) !== 0
  }

  has(place: number): boolean {
    return ((this.#bytes[place >>> 3] ?? 0) & (1 << (place & 7))) !== 0
  }
}
