import { expect, test } from 'vitest'
import { seededRandom } from '../../packages/retrysafe/test/support/manual-time.ts'
import { checkHistory } from './check-history.ts'
import { mutations } from './mutation.ts'
import { type RandomHistoryOptions, randomHistory } from './random-history.ts'

const kinds: [name: string, options: RandomHistoryOptions][] = [
  ['without faults', { faultRate: 0, knowsDelivery: false }],
  ['with lost and doubled messages', { faultRate: 0.05, knowsDelivery: false }],
  ['with many of them, whose arrivals are known', { faultRate: 0.2, knowsDelivery: true }],
]

test.each(kinds)('what the in-memory store answers can be explained, %s', async (_name, options) => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const violation = checkHistory({ operations: await randomHistory(seed, options) })[0]
    expect(violation === undefined ? '' : `seed ${seed}: ${violation.text}`).toBe('')
  }
})

test('a single lie in such a history is mostly found', async () => {
  const shares: Record<string, string> = {}
  let [lies, refused, tooHard] = [0, 0, 0]
  for (const [name, mutate] of Object.entries(mutations)) {
    let [ofKind, found] = [0, 0]
    for (let seed = 1; seed <= 60; seed += 1) {
      const { unit } = seededRandom(seed)
      const operations = await randomHistory(seed, { faultRate: 0.05, knowsDelivery: false })
      const mutated = mutate(operations, count => Math.floor(unit() * count))
      if (mutated === undefined) continue
      const violation = checkHistory({ operations: mutated, options: { maxSteps: 20_000 } })[0]
      ofKind += 1
      if (violation?.kind === 'refused') found += 1
      if (violation?.kind === 'too hard') tooHard += 1
    }
    shares[name] = `${found} of ${ofKind}`
    lies += ofKind
    refused += found
  }
  console.log({ ...shares, all: `${refused} of ${lies}, too hard ${tooHard}` })
  expect(refused / lies).toBeGreaterThan(0.9)
}, 120_000)
