import fc from 'fast-check'

// A failure prints its seed; `SEED=<seed> npx vitest run test/property` repeats it.
const seed = process.env['SEED']

export function parameters(numRuns: number): { numRuns: number; seed?: number } {
  return { numRuns, ...(seed ? { seed: Number(seed) } : {}) }
}

/** Whole numbers from 0 up to, not including, `sides`. */
export type Dice = (sides: number) => number

/** The same rolls for the same start. */
export function dice(start: number): Dice {
  let state = start
  return sides => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

/** Starts of dice. */
export const starts: fc.Arbitrary<number> = fc.noShrink(fc.integer())

/** Any order that leaves items of one name in theirs. */
export function reorder<Item>(items: readonly Item[], nameOf: (item: Item) => string, roll: Dice): Item[] {
  const shuffled = items.map(item => [roll(1000), nameOf(item)] as const).toSorted(([left], [right]) => left - right)
  const left = [...items]
  return shuffled.map(([, name]) => {
    const [item] = left.splice(
      left.findIndex(candidate => nameOf(candidate) === name),
      1,
    )
    if (item === undefined) throw new Error('as many items as before')
    return item
  })
}

/** The list with one thing changed: removed, doubled, put elsewhere, or changed in itself. */
export function changeList<Item>(list: readonly Item[], changeItem: (item: Item) => Item, roll: Dice): Item[] {
  const place = roll(list.length)
  const item = list[place]
  if (item === undefined) return [...list]
  const next = list[place + 1]
  switch (roll(5)) {
    case 0:
      return list.toSpliced(place, 1)
    case 1:
      return list.toSpliced(place, 0, item)
    case 2:
      return next === undefined ? [...list] : list.toSpliced(place, 2, next, item)
    default:
      return list.with(place, changeItem(item))
  }
}
