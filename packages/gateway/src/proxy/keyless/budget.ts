/** A bound to what all calls of a process hold together for one purpose: bytes, or places. */
export class Budget {
  #left: number

  constructor(most: number) {
    this.#left = most
  }

  /** @returns whether there was room: then it is to be given back */
  take(amount: number): boolean {
    if (amount > this.#left) return false
    this.#left -= amount
    return true
  }

  give(amount: number): void {
    this.#left += amount
  }
}
