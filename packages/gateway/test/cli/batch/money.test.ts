import { expect, test } from 'vitest'
import { costOf, estimateCost, estimateTokens, tokensUsed } from '../../../src/cli/batch/money.ts'
import { Prices, readPriceList } from '../../../src/ledger/prices.ts'

const prices = new Prices(
  readPriceList('{"asOf":"2026-01-01","providers":{"own":{"m-1":{"input":1,"output":10,"cachedInput":0.1}}}}'),
)

function line(url: string, body: object): { url: string; body: Uint8Array } {
  return { url, body: Buffer.from(JSON.stringify(body)) }
}

test.each([
  ['its bound', '/v1/chat/completions', { model: 'm-1', max_tokens: 100 }, 100],
  ['the newer name', '/v1/chat/completions', { model: 'm-1', max_completion_tokens: 7, max_tokens: 100 }, 7],
  ['responses', '/v1/responses', { model: 'm-1', max_output_tokens: 9 }, 9],
  ['several answers', '/v1/chat/completions', { model: 'm-1', max_tokens: 100, n: 3 }, 300],
  ['no bound', '/v1/chat/completions', { model: 'm-1' }, 4_096],
  ['a bound that is no number', '/v1/chat/completions', { model: 'm-1', max_tokens: 'many' }, 4_096],
  ['embeddings, which have no output', '/v1/embeddings?x=1', { model: 'm-1' }, 0],
  ['gemini', '/v1beta/models/g:generateContent', { generationConfig: { maxOutputTokens: 5, candidateCount: 2 } }, 10],
])('at most so many tokens come out: %s', (_, url, body, outputTokens) => {
  expect(estimateTokens(line(url, body)).outputTokens).toBe(outputTokens)
})

test('about a token goes in for four bytes, and the model is named by the body or by the path', () => {
  const chat = { url: '/v1/chat/completions', body: Buffer.from('{"model":"m-1","x":"12345678"}') }
  expect(estimateTokens(chat)).toEqual({ model: 'm-1', inputTokens: 8, outputTokens: 4_096 })
  expect(estimateTokens(line('/v1beta/models/g-1:generateContent', {})).model).toBe('g-1')
  expect(estimateTokens(line('/v1/chat/completions', {})).model).toBeUndefined()
})

test('money is what prices say of tokens, and unknown where anything of it is', () => {
  const usage = { inputTokens: 1_000, cachedInputTokens: 500, cacheWriteTokens: undefined, outputTokens: 100 }
  // 500 at 1, 500 at 0.1, 100 at 10, a million each.
  expect(costOf(prices, { model: 'm-1', usage })).toBeCloseTo(0.001_55, 12)
  expect(costOf(prices, { model: 'nobody-knows', usage })).toBeUndefined()
  expect(costOf(prices, { usage })).toBeUndefined()
  expect(costOf(prices, { model: 'm-1' })).toBeUndefined()
  expect(costOf(prices, { model: 'm-1', usage: { ...usage, outputTokens: undefined } })).toBeUndefined()
  // 5 of input at 1, 100 of output at 10.
  expect(estimateCost(prices, line('/v1/x', { model: 'm-1', max_tokens: 100 }))).toBeCloseTo(0.001_01, 5)
  expect(estimateCost(prices, line('/v1/x', { model: 'nobody-knows' }))).toBeUndefined()
})

test('tokens used are all that the answer said of', () => {
  const none = { cachedInputTokens: undefined, cacheWriteTokens: undefined }
  expect(tokensUsed({ usage: { ...none, inputTokens: 3, outputTokens: 4 } })).toBe(7)
  expect(tokensUsed({ usage: { ...none, inputTokens: 3, outputTokens: undefined } })).toBe(3)
  expect(tokensUsed({ usage: { ...none, inputTokens: undefined, outputTokens: undefined } })).toBeUndefined()
  expect(tokensUsed({})).toBeUndefined()
})
