import { expect, test } from 'vitest'
import { describeThrown } from '../../src/engine/thrown.ts'

const unspeakable = {
  toString() {
    throw new Error('no')
  },
}
class Unspeakable extends Error {
  override get message(): string {
    throw this
  }
}

test.each<[string, unknown]>([
  ['TypeError: no', new TypeError('no')],
  ['a text', 'a text'],
  ['undefined', undefined],
  ['Symbol(s)', Symbol('s')],
  ['something that has no text (object)', Object.create(null)],
  ['something that has no text (object)', unspeakable],
  ['something that has no text (object)', new Unspeakable()],
  ['something that has no text (function)', Object.setPrototypeOf(() => 1, null)],
  [`${'x'.repeat(500)}…`, 'x'.repeat(501)],
])('%s', (words, thrown) => {
  expect(describeThrown(thrown)).toBe(words)
})
