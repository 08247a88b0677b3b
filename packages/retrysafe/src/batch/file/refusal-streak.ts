import { BatchRefusal } from './batch-line.ts'

/** A path that is not there, or a key that may not: at the start it is the same for every item; later on it may not be. */
const wholesaleAtFirst: ReadonlySet<number> = new Set([401, 403, 404])
/** A key that is not accepted, or no more. */
const wholesale: ReadonlySet<number> = new Set([401])

/** Watches what is refused one after the other: where it would be the same for every item, the rest need not be. */
export class RefusalStreak {
  readonly #most: number
  #count = 0
  #status: number | undefined
  #isStart = true

  /** @param most results of one kind that are enough */
  constructor(most: number) {
    this.#most = most
  }

  /** Whether nothing but this has come so far. */
  get isStart(): boolean {
    return this.#isStart
  }

  /** @param error `undefined`: it was a success. @returns the status with which all of late were refused */
  note(error: unknown): number | undefined {
    const status = error instanceof BatchRefusal ? error.status : undefined
    this.#isStart &&= this.#status === undefined ? this.#count === 0 : this.#status === status
    this.#count = this.#status === status ? this.#count + 1 : 1
    this.#status = status
    if (status === undefined || this.#count < this.#most) return undefined
    return (this.#isStart ? wholesaleAtFirst : wholesale).has(status) ? status : undefined
  }
}
