import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../src/fingerprint/json.ts'
import { compileLeaveOut, withoutMembers } from '../../src/fingerprint/leave-out.ts'

/** The canonical text of a document without what the pointers name. */
function without(document: string, ...pointers: string[]): string {
  const compiled = compileLeaveOut(pointers)
  if (compiled.kind === 'invalid') return compiled.reason
  const canonical = canonicalJson(Buffer.from(document))
  if (canonical.kind === 'invalid') return canonical.reason
  return Buffer.from(withoutMembers(canonical.bytes, compiled.leaveOut)).toString()
}

describe('members that are left out', () => {
  test.each([
    ['{"a":1,"b":2,"c":3}', ['/a'], '{"b":2,"c":3}'],
    ['{"a":1,"b":2,"c":3}', ['/b'], '{"a":1,"c":3}'],
    ['{"a":1,"b":2,"c":3}', ['/c'], '{"a":1,"b":2}'],
    ['{"a":1,"b":2,"c":3}', ['/a', '/b'], '{"c":3}'],
    ['{"a":1,"b":2,"c":3}', ['/b', '/c'], '{"a":1}'],
    ['{"a":1,"b":2,"c":3}', ['/c', '/a', '/b'], '{}'],
    ['{"c":{"b":1,"a":2},"b":0}', ['/c/b'], '{"b":0,"c":{"a":2}}'],
    ['{"a":{"b":{"c":1}}}', ['/a/b/c'], '{"a":{"b":{}}}'],
    ['{"a":{"b":{"c":1}}}', ['/a/b/c', '/a'], '{}'],
    ['{"a":[1.0,{"x":"]}","y":[[{}]]},2]}', ['/a/1/y'], '{"a":[1,{"x":"]}"},2]}'],
    ['[{"id":1},{"id":2}]', ['/1/id'], '[{"id":1},{}]'],
    ['{"a":"\\"},{","b":"\\\\","c":1}', ['/b'], '{"a":"\\"},{","c":1}'],
  ])('%s without %j is %s', (document, pointers, expected) => expect(without(document, ...pointers)).toBe(expected))

  test('all of one name', () => {
    expect(without('{"a":1,"b":2,"a":3}', '/a')).toBe('{"b":2}')
    expect(without('{"a":{"x":1,"y":2},"a":{"x":3}}', '/a/x')).toBe('{"a":{"y":2},"a":{}}')
  })

  test('however the name is spelled', () => {
    expect(without('{"\\u0061/~":1,"b":2}', '/a~1~0')).toBe('{"b":2}')
    expect(without('{"~1":1,"/":2}', '/~01')).toBe('{"/":2}')
    expect(without('{"é\\n\\"":1,"b":2}', '/é\n"')).toBe('{"b":2}')
    expect(without('{"\\ud800":1,"\\ud801":2}', '/\ud800')).toBe('{"\\ud801":2}')
    expect(without('{"":1,"a":{"":2,"b":3}}', '/', '/a/')).toBe('{"a":{"b":3}}')
    expect(without('{"__proto__":1,"constructor":2,"0":3}', '/__proto__', '/0')).toBe('{"constructor":2}')
    expect(without('{"-":1,"01":2}', '/-', '/01')).toBe('{}')
  })

  test('an element of an array always counts', () => {
    expect(without('{"a":[1,2,3]}', '/a/1')).toBe('{"a":[1,2,3]}')
    expect(without('[1]', '/0')).toBe('[1]')
  })

  test('what is not there is no error', () => {
    const document = '{"a":[{"b":1}],"c":"text"}'
    const pointers = ['/x', '/a/1/b', '/a/-', '/a/-/b', '/a/00/b', '/a/0/b/c', '/c/0', '/a/0/c']
    expect(without(document, ...pointers)).toBe(document)
    expect(without('1', '/a')).toBe('1')
    expect(without('"a"', '/a')).toBe('"a"')
  })

  test('nothing else changes, however deep or long', () => {
    const deep = '[{"a":'.repeat(50_000) + '}]'.repeat(50_000).replace('}', '0}')
    expect(without(`{"x":${deep},"y":1}`, '/y', '/x/0/a/0/b') === `{"x":${deep}}`).toBe(true)
    expect(without(`{"x":${deep},"y":1}`, '/x')).toBe('{"y":1}')
  })
})

describe('pointers that are refused', () => {
  test.each([
    ['a', 'JSON pointer "a" does not begin with /'],
    ['#/a', 'JSON pointer "#/a" does not begin with /'],
    ['', 'JSON pointer "" is the whole document: only members can be left out'],
    ['/~', 'JSON pointer "/~" holds a ~ that is neither ~0 nor ~1'],
    ['/a~2b', 'JSON pointer "/a~2b" holds a ~ that is neither ~0 nor ~1'],
  ])('%j', (pointer, reason) => expect(without('{}', '/fine', pointer)).toBe(reason))

  test('too many, and too long ones', () => {
    expect(without('{}', ...Array<string>(100).fill('/a'))).toBe('{}')
    expect(without('{}', ...Array<string>(101).fill('/a'))).toBe('101 JSON pointers > 100 (MAX_POINTERS)')
    expect(without('{}', '/a'.repeat(100))).toBe('{}')
    expect(without('{}', '/a'.repeat(101))).toMatch(/ has 101 steps > 100 \(MAX_POINTER_STEPS\)$/)
  })
})
