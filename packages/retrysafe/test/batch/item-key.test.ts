import { expect, test } from 'vitest'
import { batchItemKey } from '../../src/batch/item-key.ts'

/** SHA-256 of {"prompt":"hi"}. */
const fingerprint = '14479f4e87d340fe0ca0d522d87a5b3a028ebb1af24fbb8d3ef4553044fc6db6'

test('the key of an item holds the batch, the custom id and the content', () => {
  expect(batchItemKey('nightly', 'doc 7', fingerprint, 1)).toBe('nightly:doc%207%2314479f4e87d340fe0ca0d522d87a5b3a')
})

test('without custom id it holds the content, and how many alike came before', () => {
  expect(batchItemKey('nightly', undefined, fingerprint, 1)).toBe('nightly:14479f4e87d340fe0ca0d522d87a5b3a%231')
  expect(batchItemKey('nightly', undefined, fingerprint, 12)).toBe('nightly:14479f4e87d340fe0ca0d522d87a5b3a%2312')
})

test('a custom id cannot pass for the content of an item without one', () => {
  const posing = batchItemKey('nightly', '14479f4e87d340fe0ca0d522d87a5b3a', fingerprint, 1)
  expect(posing).toBe('nightly:14479f4e87d340fe0ca0d522d87a5b3a%2314479f4e87d340fe0ca0d522d87a5b3a')
})

test('a batch that is a path is a hash in the key: a provider sees no paths', () => {
  expect(batchItemKey('/data/out.jsonl', 'a', fingerprint, 1)).toBe(
    'path-e08271958d443a16b56d6318ea9a0ea6:a%2314479f4e87d340fe0ca0d522d87a5b3a',
  )
  expect(batchItemKey('C:\\out.jsonl', 'a', fingerprint, 1)).toMatch(/^path-[\da-f]{32}:a%23/)
})

test('a custom id that is too long for a key is a hash in it', () => {
  expect(batchItemKey('nightly', 'é'.repeat(512), fingerprint, 1)).toMatch(/^item-[\da-f]{64}$/)
})

test('what is no well-formed Unicode is refused', () => {
  expect(() => batchItemKey('nightly', '\ud800', fingerprint, 1)).toThrow(
    expect.objectContaining({ code: 'KEY_INVALID' }),
  )
})
