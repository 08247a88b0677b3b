import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readKey } from '../../src/protocol/key.ts'

const visible = Array.from({ length: 94 }, (_, at) => String.fromCharCode(0x21 + at))
const refusedBare = ['"', ',', ';', '\\']

describe('readKey', () => {
  it('is absent without a line', () => {
    expect(readKey([])).toEqual({ kind: 'absent' })
  })

  it('reads a bare key and the same key quoted', () => {
    expect(readKey(['order-42'])).toEqual({ kind: 'key', key: 'order-42' })
    expect(readKey(['"order-42"'])).toEqual({ kind: 'key', key: 'order-42' })
    expect(readKey(['  "order-42"\t'])).toEqual({ kind: 'key', key: 'order-42' })
    expect(readKey([' order-42 '])).toEqual({ kind: 'key', key: 'order-42' })
  })

  it.each(visible.filter(char => !refusedBare.includes(char)))('takes the bare character %s', char => {
    expect(readKey([`a${char}b`])).toEqual({ kind: 'key', key: `a${char}b` })
  })

  it.each(refusedBare)('refuses the bare character %s', char => {
    expect(readKey([`a${char}b`]).kind).toBe('invalid')
    expect(readKey([`ab${char}`]).kind).toBe('invalid')
  })

  it.each(visible.filter(char => char !== '"' && char !== '\\'))('takes %s between quotes', char => {
    expect(readKey([`"${char}"`])).toEqual({ kind: 'key', key: char })
  })

  it('unescapes the quote and the backslash, and nothing else', () => {
    expect(readKey(['"a\\"b\\\\c"'])).toEqual({ kind: 'key', key: 'a"b\\c' })
    expect(readKey(['"a\\nb"']).kind).toBe('invalid')
    expect(readKey(['"a\\']).kind).toBe('invalid')
    expect(readKey(['"a\\"']).kind).toBe('invalid')
  })

  it.each([' ', '\t', '\u0000', '\u001f', '\u007f', '\u0080', 'é', '\u00a0', '\u3000', '\ud800', '💥'])(
    'refuses %j inside a key, bare or quoted',
    char => {
      expect(readKey([`a${char}b`]).kind).toBe('invalid')
      expect(readKey([`"a${char}b"`]).kind).toBe('invalid')
    },
  )

  // OWS around a field value is SP and HTAB only (RFC 9110 §5.6.3): anything else belongs to the key, and is refused.
  it.each(['\u00a0', '\ufeff', '\u3000', '\v', '\f'])('refuses %j around a key', char => {
    expect(readKey([`${char}order-42`]).kind).toBe('invalid')
    expect(readKey([`order-42${char}`]).kind).toBe('invalid')
    expect(readKey([`"order-42"${char}`]).kind).toBe('invalid')
  })

  it.each(['', ' ', '""', '"', '"a', 'a"', '"a"b', '"a";p=1', '"a"; p', '"a", "b"', 'a,b', 'a;p=1'])(
    'refuses %j',
    line => {
      expect(readKey([line]).kind).toBe('invalid')
    },
  )

  it('takes 1 to 255 characters, counted after unescaping', () => {
    expect(readKey(['k'.repeat(255)])).toEqual({ kind: 'key', key: 'k'.repeat(255) })
    expect(readKey(['k'.repeat(256)])).toEqual({ kind: 'invalid', reason: 'the key has 256 characters > 255' })
    expect(readKey([`"${'\\"'.repeat(255)}"`])).toEqual({ kind: 'key', key: '"'.repeat(255) })
    expect(readKey([`"${'\\"'.repeat(256)}"`]).kind).toBe('invalid')
    expect(readKey(['a'])).toEqual({ kind: 'key', key: 'a' })
  })

  it('refuses two lines, also two equal ones', () => {
    expect(readKey(['a', 'b']).kind).toBe('invalid')
    expect(readKey(['a', 'a']).kind).toBe('invalid')
    expect(readKey(['a', '']).kind).toBe('invalid')
  })

  it('says why', () => {
    const reading = readKey(['a b'])
    expect(reading).toEqual({ kind: 'invalid', reason: 'the key holds a space, a control or a non-ASCII character' })
  })

  it('never throws, and never answers a key outside the rules', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), line => {
        const reading = readKey([line])
        if (reading.kind === 'key') expect(reading.key).toMatch(/^[!-~]{1,255}$/)
        else expect(reading.kind).toBe('invalid')
      }),
    )
  })

  it('reads back every key that was quoted', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...visible), minLength: 1, maxLength: 255 }), key => {
        const quoted = `"${key.replace(/["\\]/g, '\\$&')}"`
        expect(readKey([quoted])).toEqual({ kind: 'key', key })
      }),
    )
  })
})
