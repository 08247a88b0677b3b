/** Compares bytes that come one by one with a word of ASCII. */
export class ByteWord {
  readonly #codes: Uint8Array
  #length = 0
  #isSame = true

  constructor(word: string) {
    this.#codes = Buffer.from(word)
  }

  reset(): void {
    this.#length = 0
    this.#isSame = true
  }

  read(byte: number): void {
    if (this.#length < this.#codes.length && this.#codes[this.#length] !== byte) this.#isSame = false
    this.#length++
  }

  /** These bytes, and no more. */
  get isWhole(): boolean {
    return this.#isSame && this.#length === this.#codes.length
  }

  /** These bytes first; more may follow. */
  get isPrefix(): boolean {
    return this.#isSame && this.#length >= this.#codes.length
  }

  /** Nothing that follows can change the answers but to false. */
  get isOver(): boolean {
    return !this.#isSame || this.#length > this.#codes.length
  }
}
