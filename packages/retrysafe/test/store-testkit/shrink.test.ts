import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shrink } from '../../src/store-testkit/shrink.ts'

const numbers = Array.from({ length: 50 }, (_, at) => at)

describe('shrink', () => {
  it('leaves only what matters, in its order', async () => {
    const fails = async (items: readonly number[]) => items.includes(31) && items.includes(7)
    expect(await shrink(numbers, fails)).toEqual([7, 31])
  })

  it('leaves nothing where nothing matters, and everything where all does', async () => {
    expect(await shrink(numbers, async () => true)).toEqual([])
    expect(await shrink(numbers, async items => items.length === 50)).toEqual(numbers)
    expect(await shrink([], async () => true)).toEqual([])
  })

  it('stops after so many runs with the best so far', async () => {
    let runs = 0
    const shrunk = await shrink(
      numbers,
      async items => {
        runs++
        return items.includes(0)
      },
      1,
    )
    expect(runs).toBe(1)
    expect(shrunk).toEqual(numbers.slice(0, 25))
  })

  it('always still fails, and no single item can go', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 6 }), async needed => {
        const fails = async (items: readonly number[]) => needed.every(item => items.includes(item))
        expect(await shrink(numbers, fails)).toEqual([...needed].sort((a, b) => a - b))
      }),
    )
  })
})
