/** Words of a slot: 128 bits of the hash, and the value. */
const slotWords = 5
const hashWords = 4
const firstSlots = 1_024

/**
 * What is known of each of many hashes, in 20 bytes a slot: 1 MB for 25,000 to 50,000 entries. Of the 128 bits it keeps
 * no two contents share all by chance.
 */
export class HashTable {
  #words: Uint32Array = new Uint32Array(firstSlots * slotWords)
  #slots = firstSlots
  #size = 0

  get size(): number {
    return this.#size
  }

  /**
   * @param hash at least 16 bytes of a good hash
   * @returns the value that is there; where there is none, `undefined`, and it is the given one from now on
   */
  put(hash: Uint8Array, value: number): number | undefined {
    const at = this.#find(hash)
    const there = this.#valueAt(at)
    if (there === undefined) this.#fill(at, hash, value)
    return there
  }

  /** Counts how often a hash comes. @returns 1 for the first time */
  count(hash: Uint8Array): number {
    const at = this.#find(hash)
    const count = (this.#valueAt(at) ?? 0) + 1
    if (count === 1) this.#fill(at, hash, count)
    else this.#words[at + hashWords] = count + 1
    return count
  }

  /** Values are kept one larger: 0 marks a slot that is free. */
  #valueAt(at: number): number | undefined {
    const kept = this.#words[at + hashWords] ?? 0
    return kept === 0 ? undefined : kept - 1
  }

  #fill(at: number, hash: Uint8Array, value: number): void {
    for (let word = 0; word < hashWords; word++) this.#words[at + word] = wordOf(hash, word)
    this.#words[at + hashWords] = value + 1
    this.#size++
    if (this.#size * 4 > this.#slots * 3) this.#grow()
  }

  /** The first word of the slot that holds the hash, or of the free one where it belongs. */
  #find(hash: Uint8Array): number {
    const words = [wordOf(hash, 0), wordOf(hash, 1), wordOf(hash, 2), wordOf(hash, 3)] as const
    for (let slot = words[0] % this.#slots; ; slot = (slot + 1) % this.#slots) {
      const at = slot * slotWords
      if (this.#valueAt(at) === undefined) return at
      if (words.every((word, index) => this.#words[at + index] === word)) return at
    }
  }

  #grow(): void {
    const old = this.#words
    this.#slots *= 2
    this.#words = new Uint32Array(this.#slots * slotWords)
    for (let from = 0; from < old.length; from += slotWords) {
      if (old[from + hashWords] === 0) continue
      let slot = (old[from] ?? 0) % this.#slots
      while (this.#words[slot * slotWords + hashWords] !== 0) slot = (slot + 1) % this.#slots
      this.#words.set(old.subarray(from, from + slotWords), slot * slotWords)
    }
  }
}

function wordOf(hash: Uint8Array, word: number): number {
  const at = word * 4
  const [a = 0, b = 0, c = 0, d = 0] = [hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}
