const cut = 0.5
/** Where a limit that had been good is throttled, less is held for good. */
const shrink = 0.85
/** A limit that is known to be good is kept for so many rounds before more is tried; twice as many where more was refused again. */
const leastRestRounds = 8
const mostRestRounds = 32
/** One more a round up to a limit of 16; in proportion above, so that a limit of 1,000 comes back within the hour. */
const growthShare = 16

/**
 * How many may be under way where too many are refused: additive increase, multiplicative decrease. Halving alone would
 * saw between half of what the other side takes and a little more, three quarters of it on average; so the highest limit
 * without a refusal is remembered, soon taken again, and kept for a while before more is tried.
 */
export class ThrottleLimit {
  readonly #most: number
  #limit: number
  /** The highest limit of which no refusal is known. */
  #good: number
  #restRounds = leastRestRounds
  #restAnswers = 0
  #answers = 0

  constructor(most: number) {
    this.#most = most
    this.#limit = most
    this.#good = most
  }

  get limit(): number {
    return this.#limit
  }

  /** An answer to what was begun after the last cut. */
  answered(): void {
    if (this.#limit >= this.#most) return
    this.#answers++
    if (this.#limit < this.#good) {
      if (this.#answers >= 2) this.#grow(1)
    } else if (this.#restAnswers > 0) {
      this.#restAnswers--
      this.#answers = 0
    } else if (this.#answers >= this.#limit) this.#tryMore()
  }

  /** A refusal, the first since the last cut of what was begun after it. */
  throttled(): void {
    const triedMore = this.#limit > this.#good
    this.#restRounds = triedMore ? Math.min(mostRestRounds, this.#restRounds * 2) : leastRestRounds
    if (!triedMore) this.#good = Math.max(1, Math.floor(this.#limit * shrink))
    this.#limit = Math.max(1, Math.floor(this.#limit * cut))
    this.#restAnswers = this.#restRounds * this.#good
    this.#answers = 0
  }

  /** A whole round at this limit was answered. */
  #tryMore(): void {
    this.#good = this.#limit
    this.#grow(Math.ceil(this.#limit / growthShare))
  }

  #grow(by: number): void {
    this.#limit = Math.min(this.#most, this.#limit + by)
    this.#answers = 0
  }
}
