import { describe, expect, it } from 'vitest'
import { memoryStore } from '../../../src/stores/memory/store.ts'

describe('counters', () => {
  it('are bounded, and lose no sum', async () => {
    const store = memoryStore()
    for (let at = 0; at < 5_000; at++) await store.count('b', { [`name-${at}`]: 1 }, { source: 'p', number: at })
    const counters = await store.counters('b')
    expect(Object.keys(counters).length).toBeLessThanOrEqual(4_097)
    expect(Object.values(counters).reduce((sum, value) => sum + value, 0)).toBe(5_000)
  })

  it('still know a busy source after many others came and went', async () => {
    const store = memoryStore()
    await store.count('b', { runs: 1 }, { source: 'busy', number: 1 })
    for (let at = 0; at < 5_000; at++) {
      await store.count('b', { runs: 1 }, { source: `other-${at}`, number: 1 })
      await store.count('b', { runs: 1 }, { source: 'busy', number: at + 2 })
    }
    expect(await store.count('b', { runs: 1 }, { source: 'busy', number: 5_001 })).toBe('dup')
  })
})
