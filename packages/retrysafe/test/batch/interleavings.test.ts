import { array, assert, asyncProperty, boolean, constantFrom, integer, record } from 'fast-check'
import { expect, test } from 'vitest'
import { parameters } from '../../../../test/property/seed.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { handleOf } from '../functions/stage.ts'
import { AnswerError, networkError, openStage, type StageOptions } from './batch-stage.ts'

/** What one send comes to, and after how many rounds of the event loop. */
const sends = record({
  rounds: integer({ min: 0, max: 4 }),
  comes: constantFrom('answer', 'answer', 'answer', 'failure', 'refusal', 'cut'),
})
const runs = record({
  breaksOffAfter: integer({ min: 0, max: 12 }),
  concurrency: integer({ min: 1, max: 4 }),
  isOrdered: boolean(),
})

async function rounds(count: number): Promise<void> {
  for (let round = 0; round < count; round++) await new Promise(resolve => setImmediate(resolve))
}

test('property: whatever fails and wherever runs are broken off, each item has one outcome, paid for once', async () => {
  const story = asyncProperty(
    integer({ min: 1, max: 12 }),
    array(sends, { maxLength: 30 }),
    array(runs, { minLength: 1, maxLength: 4 }),
    async (count, script, plan) => {
      const store = memoryStore()
      const items = Array.from({ length: count }, (_, index) => `item ${index}`)
      const answered: string[] = []
      const left = [...script]
      const send: StageOptions['send'] = async item => {
        const { rounds: wait, comes } = left.shift() ?? { rounds: 0, comes: 'answer' }
        await rounds(wait)
        if (comes === 'failure') throw new AnswerError(500)
        if (comes === 'refusal') throw new AnswerError(400)
        if (comes === 'cut') throw networkError('ECONNRESET')
        answered.push(item)
        return `answer ${answered.length} to ${item}`
      }
      const values = new Map<number, string>()
      const last = { breaksOffAfter: Number.POSITIVE_INFINITY, concurrency: 4, isOrdered: true }
      // The last two runs have nothing against them: all is done, and then all is replayed.
      for (const { breaksOffAfter, concurrency, isOrdered } of [...plan, last, last]) {
        if (breaksOffAfter === Number.POSITIVE_INFINITY) left.length = 0
        const { start } = openStage(handleOf(store))
        const seen: number[] = []
        const order = isOrdered ? 'input' : 'completion'
        for await (const result of start(items, { send, concurrency, order })) {
          seen.push(result.index)
          if (result.kind === 'done') {
            expect(values.get(result.index) ?? result.value).toBe(result.value)
            values.set(result.index, result.value)
          }
          if (seen.length > breaksOffAfter) break
        }
        expect(new Set(seen).size).toBe(seen.length)
        if (isOrdered) expect(seen).toEqual([...seen].sort((one, other) => one - other))
      }
      expect(values.size).toBe(count)
      expect([...answered].sort()).toEqual([...items].sort())
      await store.close()
    },
  )
  await assert(story, parameters(30))
}, 120_000)
