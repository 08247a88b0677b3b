/** What happened, as one number that two equal runs share, and in words where somebody wants to read it. */
export class Trace {
  readonly lines: string[] = []
  readonly #spoken: boolean
  #hash = 0x811c9dc5

  constructor(spoken: boolean) {
    this.#spoken = spoken
  }

  get hash(): number {
    return this.#hash >>> 0
  }

  get isSpoken(): boolean {
    return this.#spoken
  }

  /** @param words made only when somebody reads them */
  note(atMs: number, code: number, detail: number, words: () => string): void {
    let hash = this.#hash
    hash = Math.imul(hash ^ Math.round(atMs * 1_000), 0x01000193)
    hash = Math.imul(hash ^ code, 0x01000193)
    hash = Math.imul(hash ^ detail, 0x01000193)
    this.#hash = hash ^ (hash >>> 15)
    if (this.#spoken) this.lines.push(`${atMs.toFixed(3).padStart(12)}  ${words()}`)
  }
}
