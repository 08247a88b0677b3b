import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { History } from '../../support/history.ts'
import { ManualTime } from '../../support/manual-time.ts'
import { prepareStep, type Step, stepArbitrary, type Tokens } from '../../support/random-steps.ts'
import { keyOf, textOf } from '../../support/store-terms.ts'

async function play(steps: readonly Step[], times: number): Promise<{ final: unknown; violations: readonly string[] }> {
  const time = new ManualTime()
  const store = memoryStore({ clock: time.clock })
  const history = new History(time.clock)
  const tokens: Tokens = new Map()
  for (const step of steps) {
    const send = await prepareStep({ store, time, history, tokens }, step)
    for (let sent = 0; sent < times; sent++) await send(sent === 0)
    for (const key of ['rerun', 'fail']) history.looked(key, (await store.get(keyOf(key)))?.state)
  }
  const { records } = await store.list({ limit: 100 })
  const logs = await Promise.all(
    records.map(async ({ id, fence }) => {
      const answer = await store.read(id, fence, 0, 1_000)
      return answer.kind === 'bytes' ? textOf(answer.bytes) : answer.state
    }),
  )
  return { final: { records, logs, swept: await store.sweep(100) }, violations: history.violations }
}

describe('any sequence of steps', () => {
  it('keeps I1, I2, I3, I4, I5, I6 and I9', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 5, maxLength: 60 }), async steps => {
        expect((await play(steps, 1)).violations).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('gives the same when every step arrives twice (I7)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 5, maxLength: 40 }), async steps => {
        const once = await play(steps, 1)
        const twice = await play(steps, 2)
        expect(twice.final).toEqual(once.final)
        expect(twice.violations).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})
