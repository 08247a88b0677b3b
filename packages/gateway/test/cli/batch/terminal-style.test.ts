import { expect, test } from 'vitest'
import { fitted, isLively, paint, readStyle, widthOf } from '../../../src/cli/batch/terminal-style.ts'

const style = { color: true, unicode: true }

test('lines are written anew on a terminal alone, and not on one that says it is dumb', () => {
  expect(isLively({ isTTY: true }, { TERM: 'xterm-256color' })).toBe(true)
  expect(isLively({ isTTY: true }, {})).toBe(true)
  expect(isLively({ isTTY: true }, { TERM: 'dumb' })).toBe(false)
  expect(isLively({}, { TERM: 'xterm-256color' })).toBe(false)
})

test.each([
  [{ LANG: 'de_DE.UTF-8' }, { color: true, unicode: true }],
  [
    { LANG: 'de_DE.UTF-8', LC_ALL: 'C' },
    { color: true, unicode: false },
  ],
  [{ LC_CTYPE: 'C.utf8' }, { color: true, unicode: true }],
  [{}, { color: true, unicode: false }],
  [
    { NO_COLOR: '1', LANG: 'C.UTF-8' },
    { color: false, unicode: true },
  ],
  // https://no-color.org: when present and not an empty string.
  [
    { NO_COLOR: '', LANG: 'C.UTF-8' },
    { color: true, unicode: true },
  ],
])('%j: %j', (environment, expected) => {
  expect(readStyle(environment, 'linux')).toEqual(expected)
})

test('a terminal of macOS or Windows knows Unicode, whatever its environment says', () => {
  expect(readStyle({}, 'darwin').unicode).toBe(true)
  expect(readStyle({}, 'win32').unicode).toBe(true)
})

test('colours take no room', () => {
  expect(paint(style, 'red', '3 failed')).toBe('\u001b[31m3 failed\u001b[39m')
  expect(widthOf(paint(style, 'red', '3 failed'))).toBe(8)
  expect(widthOf('夜間')).toBe(4)
})

test('what does not fit ends in an ellipsis', () => {
  expect(fitted('nightly', 7, style)).toBe('nightly')
  expect(fitted('nightly-1', 7, style)).toBe('nightl…')
  expect(fitted('nightly-1', 7, { color: true, unicode: false })).toBe('nightl~')
  expect(fitted('夜間バッチ', 6, style)).toBe('夜間…')
  expect(fitted('nightly', 0, style)).toBe('')
})
