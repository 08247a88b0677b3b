/** Randomness that a seed decides: the same numbers for the same seed, on every machine. Not for secrets. */
export interface SeededRandom {
  /** At least 0, below 1. */
  unit(): number
  /** A whole number of at least 0, below `n`; `n` is 1 to 2^32. */
  below(n: number): number
  /** One of `items`. @throws {RangeError} when there is none */
  pick<T>(items: readonly T[]): T
  /** True in about `p` of the calls; never with 0, always with 1. */
  chance(p: number): boolean
}

/** Begins the sequence of `seed` (mulberry32); only the seed's lower 32 bits count. */
export function createRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (n: number): number => Math.floor(unit() * n)
  return {
    unit,
    below,
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new RangeError('nothing to pick from')
      return items[below(items.length)] as T
    },
    chance: p => unit() < p,
  }
}
