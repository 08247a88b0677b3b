import type { Budget } from './budget.ts'

/** A longer answer is not kept beside the way to its client. */
export const maxKeptBytes = 1_048_576

/** What a client has been sent of a plain answer, for as long as it may leave before it has all of it. */
export class KeptAnswer {
  readonly #budget: Budget
  #pieces: Buffer[] = []
  #bytes = 0
  #isWhole = true

  constructor(budget: Budget) {
    this.#budget = budget
  }

  add(piece: Buffer): void {
    if (!this.#isWhole) return
    const bytes = piece.byteLength
    if (this.#bytes + bytes > maxKeptBytes || !this.#budget.take(bytes)) return this.drop()
    this.#pieces.push(piece)
    this.#bytes += bytes
  }

  /** All of it so far; `undefined` when there was no room for it. */
  get pieces(): readonly Buffer[] | undefined {
    return this.#isWhole ? this.#pieces : undefined
  }

  /** It is not needed any more. */
  drop(): void {
    this.#isWhole = false
    this.#pieces = []
    this.#budget.give(this.#bytes)
    this.#bytes = 0
  }
}
