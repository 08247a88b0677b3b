import { serialize } from 'node:v8'
import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parameters } from '../../../../test/property/seed.ts'
import { RetrysafeError } from '../../src/engine/errors.ts'
import { decodeValue, encodeValue } from '../../src/engine/value-codec.ts'

function throughBytes(value: unknown): unknown {
  return decodeValue(encodeValue(value))
}

function refusalOf(value: unknown): string {
  try {
    encodeValue(value)
  } catch (error) {
    if (error instanceof RetrysafeError) return `${error.code} ${error.message}`
    throw error
  }
  return 'taken'
}

/** What has no own equality: made of what it shows. */
const leaves: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(undefined, null, Number.NaN, -0, Number.POSITIVE_INFINITY, '', '\ud800', '\0'),
  fc.boolean(),
  fc.double(),
  fc.bigInt(),
  fc.string({ unit: 'binary' }),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array(),
  fc.float64Array(),
  fc.bigUint64Array(),
  fc.uint8Array().map(bytes => Buffer.from(bytes)),
  fc.uint8Array().map(bytes => new DataView(Uint8Array.from(bytes).buffer)),
  fc.uint8Array().map(bytes => Uint8Array.from(bytes).buffer),
  fc.constantFrom(/a+/giu, /[/]/, new TypeError('t'), new Error('e', { cause: { at: 1 } })),
)
const values = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaves,
    fc.array(tie('value')),
    fc.sparseArray(tie('value')),
    fc.dictionary(fc.string(), tie('value'), { noNullPrototype: true }),
    fc.array(fc.tuple(tie('value'), tie('value'))).map(entries => new Map(entries)),
    fc.array(tie('value')).map(items => new Set(items)),
  ),
})).value

test('any value that structured clone carries survives exactly', () => {
  fc.assert(
    fc.property(values, value => {
      expect(throughBytes(value)).toStrictEqual(value)
    }),
    parameters(300),
  )
})

test('the first byte is our version, and another is refused', () => {
  const bytes = encodeValue('a')
  expect(bytes[0]).toBe(1)
  bytes[0] = 2
  expect(() => decodeValue(bytes)).toThrow('its values are of version 2, and this Retrysafe reads 1')
})

test('what a newer V8 has written says so', () => {
  const bytes = Buffer.concat([Buffer.of(1), Buffer.of(0xff, 99, 0x5f)])
  expect(() => decodeValue(bytes)).toThrow('this version of Node.js cannot read its value')
})

describe('what one cannot see by comparing', () => {
  it('a cycle stays one, and what was shared stays shared', () => {
    const shared = { at: 1 }
    const value: Record<string, unknown> = { left: shared, right: shared }
    value['self'] = value
    const back = throughBytes(value) as Record<string, unknown>
    expect(back['self']).toBe(back)
    expect(back['left']).toBe(back['right'])
  })

  it('holes stay holes', () => {
    expect(Object.keys(throughBytes(Object.assign([], { 0: 1, 2: 3 })) as unknown[])).toEqual(['0', '2'])
  })

  it('a Buffer comes back as one, a typed array as what it was', () => {
    const back = throughBytes({ buffer: Buffer.from('hé'), bytes: new Uint8Array([7]) }) as Record<string, unknown>
    expect(Buffer.isBuffer(back['buffer'])).toBe(true)
    expect(Buffer.isBuffer(back['bytes'])).toBe(false)
    expect(String(back['buffer'])).toBe('hé')
  })

  it('of a view only what it shows is written, not the pool behind it', () => {
    const pool = Buffer.from('secret-shown')
    expect(Buffer.from(encodeValue(pool.subarray(7))).includes('secret')).toBe(false)
  })

  it('shares no memory with the bytes it was read from', () => {
    const bytes = encodeValue(new Uint8Array([1, 2, 3]))
    const back = decodeValue(bytes) as Uint8Array
    back[0] = 9
    expect(decodeValue(bytes)).toEqual(new Uint8Array([1, 2, 3]))
    expect(back.buffer.byteLength).toBe(3)
  })

  it('plain objects of another realm are plain', () => {
    const foreign = runInContext('({ list: [1], at: new Map([["a", new Date(5)]]) })', createContext())
    expect(JSON.stringify((throughBytes(foreign) as { list: number[] }).list)).toBe('[1]')
  })
})

class Point {
  readonly x = 1
}
class NamedMap extends Map {}
class OwnError extends Error {}

test.each<[string, unknown]>([
  ['result is a function', () => 1],
  ['result.items[2].cb is a function', { items: [1, {}, { cb() {} }] }],
  ['result["a b"] is a symbol', { 'a b': Symbol('s') }],
  ['result.get("k")[0] is a promise: await it', new Map([['k', [Promise.resolve()]]])],
  ['result.keys(…) is an instance of Point: return a plain object', new Map([[new Point(), 1]])],
  ['result.values()[1] is an instance of WeakMap: return a plain object', new Set([1, new WeakMap()])],
  ['result.at is an instance of URL: return a plain object', { at: new URL('http://a/') }],
  ['result is an instance of NamedMap, which extends Map', new NamedMap()],
  ['result is an error of the kind Error, which would be lost', new OwnError('x')],
  [
    'result is an error of the kind AbortError, which would be lost',
    Object.assign(new Error('x'), { name: 'AbortError' }),
  ],
  ['result is an error with the member "code", which would be lost', Object.assign(new Error('x'), { code: 'E' })],
  ['result.cause is a function', new Error('x', { cause: () => 1 })],
  ['result is a Proxy', new Proxy({}, {})],
  ['result is an instance of SharedArrayBuffer: return a plain object', new SharedArrayBuffer(1)],
  ['result is an instance of a class without a name: return a plain object', Object.create({ inherited: 1 })],
])('%s', (message, value) => {
  expect(refusalOf(value)).toBe(`RESULT_NOT_SERIALIZABLE ${message}`)
})

test('the first that is found is named', () => {
  expect(refusalOf({ a: { b: () => 1 }, c: () => 2 })).toBe('RESULT_NOT_SERIALIZABLE result.a.b is a function')
})

test('what V8 is told by a getter that fails may have no text', () => {
  let reads = 0
  const value = {
    get at() {
      if (++reads > 1) throw Object.create(null)
      return 1
    },
  }
  const why = 'cannot be cloned: something that has no text (object)'
  expect(refusalOf(value)).toBe(`RESULT_NOT_SERIALIZABLE result ${why}`)
})

test('nesting has a bound, which the error names', () => {
  expect(throughBytes(nested(999))).toStrictEqual(nested(999))
  expect(refusalOf(nested(1_001))).toBe('RESULT_NOT_SERIALIZABLE result is nested more than 1000 levels deep')
})

test('control: V8 alone loses a class, and runs out of stack', () => {
  expect(() => serialize(new Point())).not.toThrow()
  expect(() => serialize(nested(100_000))).toThrow(RangeError)
})

function nested(levels: number): object {
  let value: object = {}
  for (let level = 0; level < levels; level++) value = { in: value }
  return value
}
