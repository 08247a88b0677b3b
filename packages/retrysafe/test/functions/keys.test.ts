import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, it, test, vi } from 'vitest'
import { parameters } from '../../../../test/property/seed.ts'
import { contentKey, itemKey, uuidKey } from '../../src/keys.ts'
import { readKey } from '../../src/protocol/key.ts'
import { firstSentMs } from '../../src/server/first-sent.ts'

afterEach(() => vi.restoreAllMocks())

describe('uuidKey', () => {
  it('is a UUIDv7 of now, and a bare key', () => {
    const beforeMs = Date.now()
    const key = uuidKey()
    expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(firstSentMs(key, undefined)).toBeGreaterThanOrEqual(beforeMs)
    expect(readKey([key])).toEqual({ kind: 'key', key })
  })

  it('is larger each time, 20,000 times in a row', () => {
    const keys = Array.from({ length: 20_000 }, uuidKey)
    expect(keys).toEqual([...new Set(keys)].sort())
  })

  it('is larger each time while the clock stands, or goes back', () => {
    const last = uuidKey()
    vi.spyOn(Date, 'now').mockReturnValue(1_000)
    const keys = [last, ...Array.from({ length: 10_000 }, uuidKey)]
    expect(keys).toEqual([...new Set(keys)].sort())
  })
})

describe('contentKey', () => {
  it('is SHA-256 over canonical JSON, as other languages make it', async () => {
    // printf '%s' '{"a":[true,null,"é"],"b":1}' | sha256sum
    const key = await contentKey({ b: 1, a: [true, null, 'é'] })
    expect(key).toBe('17c8c6f7f948ee1c9b93b1bc35f6edc29cbaf3022bff7d076d1c4831dd8a44a2')
    expect(readKey([key])).toEqual({ kind: 'key', key })
  })

  it('does not see the order of members, nor -0', async () => {
    expect(await contentKey({ a: 1, b: { c: -0, d: 2 } })).toBe(await contentKey({ b: { d: 2, c: 0 }, a: 1 }))
  })

  it.each<[unknown, unknown]>([
    [{ a: undefined }, {}],
    [{ a: undefined }, { a: null }],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    [1n, 1],
    [1n, '1'],
    [new Date(0), 0],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Map([['a', 1]]), { a: 1 }],
    [new Map([['a', 1]]), [['a', 1]]],
    [
      new Map<unknown, unknown>([
        [
          ['a', 1],
          ['b', 2],
        ],
      ]),
      new Map<unknown, unknown>([
        ['a', 1],
        ['b', 2],
      ]),
    ],
    [new Set([1]), [1]],
    [new Uint8Array([1]), [1]],
    [new Uint8Array([1]), new Int8Array([1])],
    [new Array(1), [undefined]],
    ['\ud800', '\ufffd'],
    [undefined, { '\0undefined': true }],
    [{ '\0undefined': true }, { '\0\0undefined': true }],
    [
      [['a'], 'b'],
      ['a', ['b']],
    ],
  ])('tells %o from %o', async (left, right) => {
    expect(await contentKey(left)).not.toBe(await contentKey(right))
  })

  it.each<[string, unknown]>([
    ['value is a function', () => 1],
    ['value.list[1].at is a symbol', { list: [1, { at: Symbol('s') }] }],
    ['value.at is an instance of a class', { at: new URL('http://a/') }],
    ['value is an instance of a class', /a/],
    ['value is an instance of a class', new Error('x')],
    ['value.x is a member of an array', Object.assign([1], { x: 1 })],
  ])('%s: no canonical form', async (message, value) => {
    const error = await contentKey(value).catch(thrown => thrown)
    expect(`${error.code} ${error.message}`).toBe(`KEY_INVALID contentKey: ${message}; it has no canonical form`)
  })

  it('names a cycle, and takes what is only shared', async () => {
    const shared = { a: 1 }
    const cyclic: Record<string, unknown> = { in: {} }
    cyclic['in'] = { back: cyclic }
    await expect(contentKey(cyclic)).rejects.toThrow('value.in.back is part of a cycle')
    expect(await contentKey([shared, shared])).toBe(await contentKey([{ a: 1 }, { a: 1 }]))
  })

  it('has bounds: depth, and holes that would take for ever', async () => {
    let deep: unknown = 1
    for (let level = 0; level < 1_001; level++) deep = [deep]
    await expect(contentKey(deep)).rejects.toThrow('is nested more than 1000 levels deep')
    const holes: unknown[] = []
    holes[4_000_000_000] = 1
    await expect(contentKey(holes)).rejects.toThrow('value is an array of holes')
  })

  test('property: JSON values that differ have keys that differ, and those that do not have not', () => {
    const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 })
    return fc.assert(
      fc.asyncProperty(json, json, async (left, right) => {
        const [leftJson, rightJson] = JSON.parse(JSON.stringify([left, right])) as [unknown, unknown]
        expect((await contentKey(left)) === (await contentKey(right))).toBe(isDeepStrictEqual(leftJson, rightJson))
        expect(await contentKey(left)).toBe(await contentKey(leftJson))
      }),
      parameters(300),
    )
  })
})

describe('itemKey', () => {
  it('can be read', () => {
    expect(itemKey('nightly-2024-05-01', 'doc 7')).toBe('nightly-2024-05-01:doc%207')
  })

  it('no choice of names makes two items look like one, and each is a bare key', () => {
    const name = fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' })
    fc.assert(
      fc.property(name, name, name, name, (batch, id, otherBatch, otherId) => {
        const key = itemKey(batch, id)
        expect(readKey([key])).toEqual({ kind: 'key', key })
        expect(key === itemKey(otherBatch, otherId)).toBe(batch === otherBatch && id === otherId)
      }),
      parameters(300),
    )
    expect(itemKey('a:b', 'c')).not.toBe(itemKey('a', 'b:c'))
    expect(itemKey('a%3A', 'b')).not.toBe(itemKey('a:', 'b'))
  })

  it('long names are hashed, and equal no readable key', () => {
    const key = itemKey('b'.repeat(200), 'c'.repeat(200))
    expect(key).toMatch(/^item-[0-9a-f]{64}$/)
    expect(key).not.toBe(itemKey('b'.repeat(200), 'c'.repeat(201)))
    expect(itemKey('b'.repeat(127), 'c'.repeat(127))).toHaveLength(255)
    expect(itemKey('b'.repeat(127), 'c'.repeat(128))).toMatch(/^item-/)
  })

  it.each([
    ['', 'a'],
    ['a', ''],
    ['a', '\ud800'],
  ])('refuses %j, %j', (batch, id) => {
    expect(() => itemKey(batch, id)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
  })
})
