import { BatchRefusal } from './batch-line.ts'

/** A key that is not accepted, or a path that is not there: it would be the same for every item. */
const wholesale = new Set([401, 403, 404])

/** Watches how a batch begins: where all are refused for one and the same reason, the rest need not be. */
export class RefusedStart {
  readonly #most: number
  #count = 0
  #status: number | undefined
  #isOver = false

  /** @param most results of one kind that are enough */
  constructor(most: number) {
    this.#most = most
  }

  /** @param error `undefined`: it was a success. @returns the status with which everything so far was refused */
  note(error: unknown): number | undefined {
    if (this.#isOver) return undefined
    const status = error instanceof BatchRefusal && wholesale.has(error.status) ? error.status : undefined
    this.#isOver = status === undefined || (this.#status ?? status) !== status
    this.#status = status
    this.#count++
    return !this.#isOver && this.#count >= this.#most ? status : undefined
  }
}
