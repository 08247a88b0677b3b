import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalForm } from '../../packages/retrysafe/src/fingerprint/form.ts'
import { canonicalQuery } from '../../packages/retrysafe/src/fingerprint/query.ts'
import { changeList, type Dice, dice, parameters, reorder, starts } from './seed.ts'

function formOf(body: string): string | undefined {
  const form = canonicalForm(Buffer.from(body, 'latin1'))
  return form.kind === 'canonical' ? Buffer.from(form.bytes).toString('latin1') : undefined
}

/** Name and value, one character a byte. */
type Pair = readonly [name: string, value: string]

const bytes = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...'abA ~%+&=*-'),
    fc.nat(255).map(byte => String.fromCharCode(byte)),
  ),
  maxLength: 6,
})
const pairs: fc.Arbitrary<Pair[]> = fc.array(fc.tuple(fc.oneof(bytes, fc.constantFrom('a', 'b', 'aa')), bytes), {
  maxLength: 24,
})

function spell(list: readonly Pair[], roll: Dice): string {
  const spelled = reorder(list, ([name]) => name, roll).map(([name, value]) => {
    return `${spellBytes(name, roll)}=${spellBytes(value, roll)}${'&'.repeat(roll(2))}`
  })
  return spelled.join('&')
}

/** Each byte as itself where that is allowed, or as a triplet. */
function spellBytes(text: string, roll: Dice): string {
  return Array.from(text, character => {
    if (character === ' ' && roll(2) === 0) return '+'
    if (!'%+&='.includes(character) && roll(2) === 0) return character
    const triplet = `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`
    return roll(2) === 0 ? triplet : triplet.toUpperCase()
  }).join('')
}

/** What pairs are: the judge that the code under test is held against. */
function identity(list: readonly Pair[]): string {
  return JSON.stringify(list.toSorted(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0)))
}

describe('the canonical form of a form', () => {
  test('is the same for every spelling, and its own canonical form', () => {
    fc.assert(
      fc.property(pairs, starts, starts, (list, one, other) => {
        const form = formOf(spell(list, dice(one)))
        expect(form).toBeTypeOf('string')
        expect(formOf(spell(list, dice(other)))).toBe(form)
        expect(formOf(form ?? '')).toBe(form)
      }),
      parameters(2000),
    )
  })

  test('is another after any change of a pair', () => {
    let compared = 0
    const changePair = ([name, value]: Pair, roll: Dice): Pair => {
      const changed = (text: string): string => {
        const place = roll(text.length + 1)
        return (
          text.slice(0, place) + (['', 'a', '%', '+', ' ', '=', '&', '\0'][roll(8)] ?? '') + text.slice(place + roll(2))
        )
      }
      return roll(2) ? [changed(name), value] : [name, changed(value)]
    }
    fc.assert(
      fc.property(pairs, starts, (list, start) => {
        const roll = dice(start)
        const other = changeList(list, pair => changePair(pair, roll), roll)
        const isSame = identity(other) === identity(list)
        if (!isSame) compared++
        expect(formOf(spell(other, roll)) === formOf(spell(list, roll))).toBe(isSame)
      }),
      parameters(3000),
    )
    expect(compared).toBeGreaterThan(1000)
  })

  test('means what URLSearchParams reads, and no bytes make it throw', () => {
    // Triplets of ASCII only: what is no UTF-8, a string cannot hold.
    const pieces = [
      'x',
      'y',
      '%',
      '%2',
      '%e',
      '%25',
      '%41',
      '%7e',
      '%zz',
      '%26',
      '%3D',
      '%20',
      '+',
      ' ',
      '=',
      '&',
      '~*-',
    ]
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map(list => list.join(''))
    fc.assert(
      fc.property(text, body => {
        const read = (form: string): [string, string][] => [...new URLSearchParams(form)]
        const byName = (list: [string, string][]): [string, string][] =>
          list.toSorted(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
        expect(byName(read(formOf(body) ?? ''))).toEqual(byName(read(body)))
      }),
      parameters(3000),
    )
  })
})

test('a query: any order is the same, its own canonical form, and keeps no credential', () => {
  const name = fc.constantFrom('a', 'b', 'key', 'k%65y', '%6Bey', 'keys', 'api-version', '%zz', '')
  const parameter = fc.tuple(name, fc.string({ unit: fc.constantFrom(...'ab%24~+='), maxLength: 4 }))
  fc.assert(
    fc.property(fc.array(parameter, { maxLength: 8 }), starts, (list, start) => {
      const join = (pairs: readonly Pair[]): string => pairs.map(([name, value]) => `${name}=${value}`).join('&')
      const query = canonicalQuery(join(list))
      expect(canonicalQuery(join(reorder(list, ([name]) => name, dice(start))))).toBe(query)
      expect(canonicalQuery(query)).toBe(query)
      const counted = list.filter(([name]) => !['key', 'k%65y', '%6Bey'].includes(name))
      expect(query === '' ? [] : query.split('&')).toHaveLength(counted.length)
    }),
    parameters(2000),
  )
})
