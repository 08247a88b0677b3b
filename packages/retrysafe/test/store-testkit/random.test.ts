import { describe, expect, it } from 'vitest'
import { createRandom } from '../../src/store-testkit/random.ts'

describe('createRandom', () => {
  it('draws the same for the same seed, everywhere and for ever', () => {
    const random = createRandom(42)
    expect([random.below(1_000), random.below(1_000), random.below(1_000)]).toEqual([601, 448, 852])
    expect(random.pick(['a', 'b', 'c'])).toBe(createRandomAfter(42, 3).pick(['a', 'b', 'c']))
    expect(createRandom(42).unit()).not.toBe(createRandom(43).unit())
  })

  it('stays within its bounds, and reaches all of them', () => {
    const random = createRandom(1)
    const drawn = Array.from({ length: 1_000 }, () => random.below(6))
    expect([...new Set(drawn)].sort()).toEqual([0, 1, 2, 3, 4, 5])
    const units = Array.from({ length: 1_000 }, () => random.unit())
    expect(units.every(unit => unit >= 0 && unit < 1)).toBe(true)
    const hits = Array.from({ length: 1_000 }, () => random.chance(0.25)).filter(Boolean).length
    expect(hits).toBeGreaterThan(200)
    expect(hits).toBeLessThan(300)
    expect(Array.from({ length: 100 }, () => [random.chance(0), random.chance(1)])).toEqual(
      Array.from({ length: 100 }, () => [false, true]),
    )
  })

  it('picks from nothing with an error', () => {
    expect(() => createRandom(1).pick([])).toThrow(RangeError)
  })
})

function createRandomAfter(seed: number, draws: number) {
  const random = createRandom(seed)
  for (let at = 0; at < draws; at++) random.unit()
  return random
}
