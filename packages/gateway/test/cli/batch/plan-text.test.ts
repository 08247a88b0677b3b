import { expect, test } from 'vitest'
import { planText } from '../../../src/cli/batch/plan-text.ts'

const one = { model: 'gpt-5-mini', items: 18_796, inputTokensAbout: 4_000_000, outputTokensAtMost: 9_000_000, usd: 19 }

test('a plan of one model', () => {
  const plan = { batchId: 'nightly', total: 20_000, kept: 1_204, toSend: 18_796, models: [one], usd: 19 }
  expect(planText(plan)).toBe(`20,000 items: 1,204 done before, 18,796 to send. Nothing was sent.
  model        items        tokens in  out at most  USD at most
  gpt-5-mini  18,796  about 4,000,000    9,000,000       $19.00
Estimated: a token for 4 bytes in, all the output that a body allows, list prices without discounts.
What the store has recorded already would be replayed, and not paid for.
`)
})

test('what is unknown is said to be', () => {
  const other = { model: undefined, items: 2, inputTokensAbout: 10, outputTokensAtMost: undefined, usd: undefined }
  const models = [other, one]
  const plan = { batchId: 'nightly', total: 18_798, kept: 0, toSend: 18_798, models, usd: undefined }
  expect(planText(plan)).toBe(`18,798 items: 0 done before, 18,798 to send. Nothing was sent.
  model          items        tokens in  out at most  USD at most
  gpt-5-mini    18,796  about 4,000,000    9,000,000       $19.00
  (none named)       2         about 10     no bound      unknown
  all           18,798  about 4,000,010                   unknown
Estimated: a token for 4 bytes in, all the output that a body allows, list prices without discounts.
A body that sets no bound is taken for 4,096 tokens out; it may be more.
Some prices are unknown: --prices FILE takes your own.
What the store has recorded already would be replayed, and not paid for.
`)
})

test('nothing left to send is a line', () => {
  expect(planText({ batchId: 'n', total: 1, kept: 1, toSend: 0, models: [], usd: 0 })).toBe(
    '1 item: 1 done before, 0 to send. Nothing was sent.\n',
  )
})
