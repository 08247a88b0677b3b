import { describe, expect, test } from 'vitest'
import { covers, overlap, PathTable, readPattern } from '../../src/config/path-pattern.ts'

describe('a pattern of paths', () => {
  test.each<[string, string[], string[]]>([
    ['/v1/chat', ['/v1/chat'], ['/v1/chat/', '/v1/Chat', '/v1/chat/x', '/v1', '/v1/%63hat']],
    ['/v1/*', ['/v1/chat', '/v1/*', '/v1/%2F'], ['/v1/', '/v1', '/v1/chat/completions', '/v2/chat']],
    ['/v1/*/runs', ['/v1/a/runs'], ['/v1/runs', '/v1//runs', '/v1/a/b/runs']],
    ['/v1/**', ['/v1', '/v1/', '/v1/chat', `/v1${'/a'.repeat(200)}`], ['/v10', '/']],
    ['/**', ['/', '/v1', '/v1/chat'], []],
    ['/', ['/'], ['/v1']],
    ['/v1/', ['/v1/'], ['/v1', '/v1/a']],
  ])('%s', (text, matching, others) => {
    const table = new PathTable([[readPattern(text), 'found']])
    expect(matching.filter(path => table.find(path) !== 'found')).toEqual([])
    expect(others.filter(path => table.find(path) !== undefined)).toEqual([])
  })

  test.each<[string, string, 'apart' | 'first' | 'second' | 'neither' | 'same']>([
    ['/a/b', '/a/c', 'apart'],
    ['/a', '/a/b', 'apart'],
    ['/a/*', '/a/', 'apart'],
    ['/a/*/c', '/*/b/d', 'apart'],
    ['/a/*', '/a/b', 'first'],
    ['/a/**', '/a', 'first'],
    ['/a/**', '/a/*', 'first'],
    ['/a/**', '/a/', 'first'],
    ['/**', '/a/**', 'first'],
    ['/a/b/c', '/a/**', 'second'],
    ['/a/*/c', '/a/**', 'second'],
    ['/a/*', '/*/b', 'neither'],
    ['/a/**', '/*/b', 'neither'],
    ['/a/*/**', '/a/**', 'second'],
    ['/a/*', '/a/*', 'same'],
  ])('of %s and %s: %s is the wider one', (one, other, expected) => {
    const [left, right] = [readPattern(one), readPattern(other)]
    const both = [covers(left, right), covers(right, left)].join()
    const wider = { 'true,true': 'same', 'true,false': 'first', 'false,true': 'second', 'false,false': 'neither' }[both]
    expect(overlap(left, right) ? wider : 'apart').toBe(expected)
    expect(overlap(right, left)).toBe(expected !== 'apart')
  })

  test('the narrowest of those that match is found, whatever their order', () => {
    const texts = ['/**', '/a/**', '/a/*/c', '/a/b/**', '/a/b/c', '/a/*/**']
    for (const order of [texts, [...texts].reverse()]) {
      const table = new PathTable(order.map(text => [readPattern(text), text] as const))
      const found = ['/x', '/a', '/a/x', '/a/x/c', '/a/b', '/a/b/x/y', '/a/b/c', '/a/x/d/e'].map(path =>
        table.find(path),
      )
      expect(found).toEqual(['/**', '/a/**', '/a/*/**', '/a/*/c', '/a/b/**', '/a/b/**', '/a/b/c', '/a/*/**'])
    }
  })

  test.each<[string, string, RegExp]>([
    ['no slash before it', 'v1/chat', /begins with \//],
    ['nothing', '', /begins with \//],
    ['a query', '/v1?a', /without query/],
    ['a space', '/v1 /a', /visible ASCII/],
    ['a backslash', '/v1\\a', /visible ASCII/],
    ['an empty segment', '/v1//a', /empty segment/],
    ['a dot segment', '/v1/../a', /dot segments/],
    ['one in percent signs', '/v1/%2E%2e', /dot segments/],
    ['* in a segment', '/v1/models/*:generateContent', /whole segment/],
    ['** before the end', '/**/a', /only at the end/],
    ['too many segments', '/a'.repeat(65), /64 segments/],
    ['too many characters', `/${'a'.repeat(1_024)}`, /1024 characters/],
  ])('%s is refused', (_, text, message) => {
    expect(() => readPattern(text)).toThrow(message)
  })
})
