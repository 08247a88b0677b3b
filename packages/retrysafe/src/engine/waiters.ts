import type { StoreKey } from './record.ts'

/** How many calls wait for one key in this process, bounded. */
export class Waiters {
  readonly #maxPerKey: number
  readonly #counts = new Map<StoreKey, number>()

  /** @param maxPerKey 0 or more */
  constructor(maxPerKey: number) {
    this.#maxPerKey = maxPerKey
  }

  /** @returns false when the key has as many waiters as it may have */
  enter(key: StoreKey): boolean {
    const count = this.#counts.get(key) ?? 0
    if (count >= this.#maxPerKey) return false
    this.#counts.set(key, count + 1)
    return true
  }

  leave(key: StoreKey): void {
    const count = (this.#counts.get(key) ?? 1) - 1
    if (count === 0) this.#counts.delete(key)
    else this.#counts.set(key, count)
  }
}
