const minuteMs = 60_000

/** The least that may pass at once: a second's worth, and always one. */
function burstOf(perMinute: number): number {
  return Math.max(1, perMinute / 60)
}

/**
 * So many a minute, as a bucket that fills evenly and holds a second's worth. In any minute at most as many pass as the
 * rate and the bucket's content together.
 */
export class Rate {
  readonly #perMs: number
  readonly #burst: number
  #level: number
  #atMs: number

  constructor(perMinute: number, nowMs: number) {
    this.#perMs = perMinute / minuteMs
    this.#burst = burstOf(perMinute)
    this.#level = this.#burst
    this.#atMs = nowMs
  }

  /** How long until `amount` may pass; more than the bucket holds passes when it is full, and leaves a debt. */
  delayMs(amount: number, nowMs: number): number {
    this.#fill(nowMs)
    const missing = Math.min(amount, this.#burst) - this.#level
    return missing <= 0 ? 0 : missing / this.#perMs
  }

  take(amount: number, nowMs: number): void {
    this.#fill(nowMs)
    this.#level -= amount
  }

  /** What was taken too much comes back; what was too little (below 0) is taken now. */
  giveBack(amount: number, nowMs: number): void {
    this.#fill(nowMs)
    this.#level = Math.min(this.#burst, this.#level + amount)
  }

  #fill(nowMs: number): void {
    this.#level = Math.min(this.#burst, this.#level + (nowMs - this.#atMs) * this.#perMs)
    this.#atMs = nowMs
  }
}
