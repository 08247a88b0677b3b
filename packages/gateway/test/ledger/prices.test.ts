import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Prices, readPriceFile, readPriceList } from '../../src/ledger/prices.ts'

const million = { inputTokens: 1_000_000, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 1_000_000 }

function listOf(providers: unknown, asOf: unknown = '2026-05-01'): string {
  return JSON.stringify({ asOf, providers })
}

test('the shipped table says its day, and what known models cost', () => {
  const prices = new Prices()
  expect([prices.asOf, prices.ownAsOf]).toEqual(['2026-02-28', undefined])
  expect(prices.cost('gpt-4o-mini', million)).toBeCloseTo(0.75, 9)
  expect(prices.cost('claude-sonnet-4-5', million)).toBeCloseTo(18, 9)
  expect(prices.cost('text-embedding-3-small', { ...million, outputTokens: 0 })).toBeCloseTo(0.02, 9)
})

test.each([
  ['gpt-4o-2024-08-06', 12.5],
  // It has a price of its own, so that is the one.
  ['gpt-4o-2024-05-13', 20],
  ['claude-sonnet-4-5-20250929', 18],
  ['claude-sonnet-4-5@20250929', 18],
  ['claude-3-5-haiku-latest', 4.8],
  ['gemini-2.0-flash-001', 0.5],
  ['models/gemini-2.5-pro', 11.25],
])('%s is known by its exact id or without its date', (model, usd) => {
  expect(new Prices().cost(model, million)).toBeCloseTo(usd, 9)
})

test.each(['gpt-4o-turbo', 'my-gpt-4o', 'gpt-4o-', 'GPT-4o', 'gpt-9', 'ft:gpt-4o-mini:acme::id', 'constructor', ''])(
  'the model %j is unknown, and costs nobody knows what',
  model => {
    expect(new Prices().of(model)).toBe(undefined)
    expect(new Prices().cost(model, million)).toBe(undefined)
  },
)

test('cached input and input that is written to a cache are part of the input, at prices of their own', () => {
  const tokens = { inputTokens: 1_000, cachedInputTokens: 600, cacheWriteTokens: 300, outputTokens: 10 }
  // 100 × 3 + 600 × 0.3 + 300 × 3.75 + 10 × 15 = 1755 millionths
  expect(new Prices().cost('claude-sonnet-4-5', tokens)).toBeCloseTo(0.001755, 12)
  // Where the table names none, they cost what input costs: 1000 × 10 + 10 × 30
  expect(new Prices().cost('gpt-4-turbo', tokens)).toBeCloseTo(0.0103, 12)
})

test('a table of one’s own beats the shipped one, model by model', () => {
  const own = readPriceList(listOf({ us: { 'gpt-4o-mini': { input: 1, output: 1 }, local: { input: 0, output: 0 } } }))
  const prices = new Prices(own)
  expect(prices.ownAsOf).toBe('2026-05-01')
  expect(prices.cost('gpt-4o-mini-2024-07-18', million)).toBe(2)
  // Free, because somebody says so.
  expect(prices.cost('local', million)).toBe(0)
  expect(prices.cost('gpt-4o', million)).toBeCloseTo(12.5, 9)
})

test.each<[string, string, RegExp]>([
  ['no JSON', '{', /^it takes JSON/],
  ['a list', '[]', /^the file: it takes an object/],
  ['no day', '{"providers":{}}', /^asOf: .*YYYY-MM-DD/],
  ['a day that is none', listOf({}, '2026-13-45'), /^asOf: /],
  ['a day that its month does not have', listOf({}, '2026-02-31'), /^asOf: /],
  ['no providers', '{"asOf":"2026-05-01"}', /^providers: it takes an object/],
  ['a member too many', '{"asOf":"2026-05-01","providers":{},"model":{}}', /^the file\.model: there is no such/],
  ['a price that is text', listOf({ a: { m: { input: '1', output: 2 } } }), /^providers\.a\.m\.input: .*per million/],
  ['a negative price', listOf({ a: { m: { input: 1, output: -2 } } }), /^providers\.a\.m\.output: /],
  ['a missing price', listOf({ a: { m: { input: 1 } } }), /^providers\.a\.m\.output: /],
  ['another name', listOf({ a: { m: { input: 1, output: 2, in: 3 } } }), /^providers\.a\.m\.in: there is no such/],
  [
    'a model twice',
    listOf({ a: { m: { input: 1, output: 2 } }, b: { m: { input: 2, output: 2 } } }),
    /^providers\.b: m has two/,
  ],
])('%s is refused, by its path', (_, text, says) => {
  expect(() => readPriceList(text)).toThrow(says)
})

test('a file that is not there is told by the system’s code', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-prices-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  expect(() => readPriceFile(join(folder, 'none.json'))).toThrow(/^it cannot be read: ENOENT$/)
  writeFileSync(join(folder, 'large.json'), ' '.repeat(4_194_305))
  expect(() => readPriceFile(join(folder, 'large.json'))).toThrow(/at most 4194304 bytes/)
})
