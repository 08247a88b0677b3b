/** Keeps a batch under what it may cost, in USD: what is on its way counts by its estimate until its answer is there. */
export class SpendingLimit {
  readonly #maxUsd: number
  readonly #spentUsd: () => number
  readonly #reserved = new Map<number, number>()
  #reservedUsd = 0
  /** Estimates of calls that may have been paid for, and never said so. */
  #doubtfulUsd = 0
  #wake: (() => void) | undefined

  /** @param spentUsd what the batch has cost so far, earlier runs included */
  constructor(maxUsd: number, spentUsd: () => number) {
    this.#maxUsd = maxUsd
    this.#spentUsd = spentUsd
  }

  /**
   * Waits for what is on its way, as long as that may leave room.
   *
   * @param item any number that names it, until it settles
   * @returns false: it does not fit, and nothing that is on its way can change that
   */
  async reserve(item: number, usd: number, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const takenUsd = this.#spentUsd() + this.#doubtfulUsd
      if (takenUsd + this.#reservedUsd + usd <= this.#maxUsd) {
        this.#reserved.set(item, usd)
        this.#reservedUsd += usd
        return true
      }
      if (this.#reserved.size === 0) return false
      await this.#settled(signal)
    }
    return false
  }

  /** A call of the item may have been paid for, and has no answer; the next one is another. */
  doubt(item: number): void {
    this.#doubtfulUsd += this.#reserved.get(item) ?? 0
  }

  /** @param isDoubtful it failed in a way that leaves open whether it was paid for */
  settle(item: number, isDoubtful: boolean): void {
    const usd = this.#reserved.get(item) ?? 0
    this.#reserved.delete(item)
    // Sums of fractions drift; of nothing it is zero again.
    this.#reservedUsd = this.#reserved.size === 0 ? 0 : this.#reservedUsd - usd
    if (isDoubtful) this.#doubtfulUsd += usd
    this.#wake?.()
  }

  #settled(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        this.#wake = undefined
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#wake = wake
      signal.addEventListener('abort', wake)
    })
  }
}
