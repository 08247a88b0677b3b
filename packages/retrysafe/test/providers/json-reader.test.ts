import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonReader } from '../../src/providers/json-reader.ts'
import { items, type JsonShape, members, plain } from '../../src/providers/json-shape.ts'
import { splitAt } from '../support/split.ts'

function read(shape: JsonShape, text: string | Uint8Array, cuts: readonly number[] = []): unknown {
  const reader = new JsonReader(shape)
  for (const piece of splitAt(Buffer.from(text), cuts)) reader.writeAll(piece)
  reader.end()
  return reader.state === 'whole' ? { value: reader.value } : reader.state
}

describe('JsonReader', () => {
  const shape = members({
    a: plain,
    list: items(members({ b: plain })),
    deep: members({ deeper: members({ c: plain }) }),
  })

  it('keeps what the shape asks for, where it stands', () => {
    const text =
      '{"x":[{"a":1}],"a":"é","list":[{"b":1,"c":2},3,{"b":null}],"deep":{"a":9,"deeper":{"c":-1.5e2,"d":{"c":0}}}}'
    const value = { a: 'é', list: [{ b: 1 }, 3, { b: null }], deep: { deeper: { c: -150 } } }
    expect(read(shape, text)).toEqual({ value })
    expect(
      read(
        shape,
        text,
        Array.from({ length: 120 }, (_, at) => at),
      ),
    ).toEqual({ value })
  })

  it('takes the last of members of one name, by whatever escapes it is written', () => {
    expect(read(shape, '{"a":1,"\\u0061":2}')).toEqual({ value: { a: 2 } })
    expect(read(shape, '{"deep":{"deeper":{"c":1}},"deep":null}')).toEqual({ value: { deep: null } })
    expect(read(shape, '{"__proto__":{"a":1},"A":1,"aa":1,"":1}')).toEqual({ value: {} })
  })

  it('says of what it does not keep that it is there', () => {
    expect(read(shape, '{"a":{"a":1},"list":{"b":1},"deep":[{"deeper":1}]}')).toEqual({
      value: { a: {}, list: {}, deep: [] },
    })
    expect(read(shape, `{"a":"${'x'.repeat(256)}"}`)).toEqual({ value: { a: 'x'.repeat(256) } })
    expect(read(shape, `{"a":"${'x'.repeat(257)}"}`)).toEqual({ value: { a: {} } })
    expect(read(shape, `{"a":1${'0'.repeat(256)}}`)).toEqual({ value: { a: {} } })
    expect(read(shape, `{"${'a'.repeat(300)}":1}`)).toEqual({ value: {} })
  })

  it('keeps 1,024 items of an array, and reads on', () => {
    const kept = read(shape, `{"list":[${'{"b":1},'.repeat(5_000)}{}],"a":1}`)
    expect(kept).toMatchObject({ value: { a: 1 } })
    expect(kept).toHaveProperty('value.list.length', 1_024)
  })

  it('reads 1,000,000 levels and no more, in any pieces, without a stack', () => {
    const nested = (depth: number): string => `${'{"a":['.repeat(depth / 2)}${']}'.repeat(depth / 2)}`
    expect(read(plain, nested(1_000_000))).toEqual({ value: {} })
    expect(read(plain, nested(1_000_002))).toBe('broken')
    expect(read(shape, nested(100_000), [1, 3, 70_000, 300_001])).toEqual({ value: { a: [] } })
    expect(read(shape, '['.repeat(100_000))).toBe('open')
  })

  it('begins anew wherever it was', () => {
    const reader = new JsonReader(shape)
    for (const text of ['{"a":"\\', '{"a":"\\u0', '{"list":[{"b":[[', '{"a":-', '{"a":tr', '{"a', '{"a":1}x']) {
      reader.writeAll(Buffer.from(text))
      reader.reset()
      expect([reader.state, reader.isBegun, reader.value]).toEqual(['open', false, undefined])
      reader.writeAll(Buffer.from('{"a":"b","list":[{"b":2}]}'))
      expect(reader.value).toEqual({ a: 'b', list: [{ b: 2 }] })
      reader.reset()
    }
  })

  it('stops right after a value, where it is asked to', () => {
    const reader = new JsonReader(plain)
    const bytes = Buffer.from(' {"a":"}"} ,12,"x"')
    expect(reader.write(bytes)).toBe(10)
    expect(reader.state).toBe('whole')
    reader.reset()
    expect(reader.write(bytes, 12)).toBe(14)
    expect([reader.state, reader.value]).toEqual(['whole', 12])
  })

  const piece = fc.constantFrom(
    ...'{}[]",:\\/ub0123456789.eE+-\t\n\v\f \u0000\u001f\u007fé😀\ufeff\u00a0\u2028',
    ...['true', 'false', 'null', '\\u00', '\\u12aF', '"a"', '":', '{"', '{}', '[]', '1', '1', ',', ','],
  )
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(1), piece), { maxLength: 3 })
  const document = fc.tuple(fc.json({ maxDepth: 4 }), edits).map(([text, list]) => {
    const characters = Array.from(text)
    for (const [place, removed, added] of list) characters.splice(place % (characters.length + 1), removed, added)
    return characters.join('')
  })
  const text = fc.oneof(
    document,
    fc.array(piece, { maxLength: 7 }).map(list => list.join('')),
  )

  it('takes what JSON.parse takes, however it is split', () => {
    let accepted = 0
    let refused = 0
    fc.assert(
      fc.property(text, fc.array(fc.nat(300), { maxLength: 8 }), (document, cuts) => {
        let isAccepted = true
        try {
          JSON.parse(document)
          accepted++
        } catch {
          isAccepted = false
          refused++
        }
        expect(typeof read(shape, document, cuts) === 'object').toBe(isAccepted)
      }),
      { numRuns: 10_000 },
    )
    expect(accepted).toBeGreaterThan(1_000)
    expect(refused).toBeGreaterThan(1_000)
  })

  const texts = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('a', 'list', '\ud800', '"\\\n'))
  const json = fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' })

  it('keeps what JSON.parse would give', () => {
    fc.assert(
      fc.property(
        texts,
        json,
        fc.array(fc.record({ b: texts, c: json })),
        fc.array(fc.nat(999)),
        (a, x, list, cuts) => {
          const kept = list.map(({ b }) => ({ b: JSON.parse(JSON.stringify(b)) }))
          const spaced = JSON.stringify({ x, a, list }, undefined, a.length % 3)
          expect(read(shape, spaced, cuts)).toEqual({ value: { a, list: kept } })
        },
      ),
      { numRuns: 1_000 },
    )
  })
})
