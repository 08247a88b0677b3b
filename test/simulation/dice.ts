/**
 * Chance that hangs on what it is asked for, not on how often: the same message of the same call meets the same fate
 * although other actions were dropped from the plan.
 */
export class Dice {
  #state = 0

  /** Begins anew at these numbers. */
  seed(a: number, b: number, c: number, d: number): void {
    let mixed = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 15) ^ b, 0xc2b2ae35)
    mixed = Math.imul(mixed ^ (mixed >>> 13) ^ c, 0x27d4eb2f)
    mixed = Math.imul(mixed ^ (mixed >>> 16) ^ d, 0x165667b1)
    this.#state = (mixed ^ (mixed >>> 15)) >>> 0
  }

  /** At least 0, below 1 (mulberry32). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    const state = this.#state
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  chance(p: number): boolean {
    return p > 0 && this.unit() < p
  }

  between(from: number, to: number): number {
    return from + this.unit() * (to - from)
  }
}
