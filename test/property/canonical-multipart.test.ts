import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MultipartDigest } from '../../packages/retrysafe/src/fingerprint/multipart.ts'
import { splitAt } from '../../packages/retrysafe/test/support/split.ts'
import { changeList, type Dice, dice, parameters, reorder, starts } from './seed.ts'

/** The digest of a body, or why it is broken. */
function formOf(body: Buffer, boundary: string, cuts: readonly number[] = []): string {
  const multipart = new MultipartDigest(boundary)
  for (const chunk of splitAt(body, cuts)) multipart.write(chunk)
  const form = multipart.end()
  return form.kind === 'canonical' ? Buffer.from(form.digest).toString('hex') : form.reason
}

// ── Parts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Field {
  readonly name: string
  readonly value: string
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

interface Part {
  readonly fields: readonly Field[]
  /** Latin-1. */
  readonly content: string
}

const boundaries = fc.oneof(
  fc.constantFrom('b', '-', '--', 'b-', 'bb', '----b'),
  fc.string({ unit: fc.constantFrom(...'b-=?9 '), maxLength: 68 }).map(text => `${text}b`),
)
/** Much that looks like the delimiter `\r\n--b`. */
const contents = fc
  .array(
    fc.oneof({ weight: 4, arbitrary: fc.constantFrom('\r', '\n', '\r\n', '-', '--', 'b', '\r\n--') }, fc.string()),
    {
      maxLength: 12,
    },
  )
  .map(pieces => Buffer.from(pieces.join('')).toString('latin1'))

const parameter = fc.tuple(
  fc.constantFrom('name', 'filename', 'charset', 'x'),
  fc.string({ unit: fc.constantFrom(...'ab C\u00a0\u00c3;=\\é'), maxLength: 5 }),
)
const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({
    name: fc.constantFrom('content-disposition', 'content-type'),
    value: fc.constantFrom('form-data', 'text/plain'),
    parameters: fc.uniqueArray(parameter, { maxLength: 3, selector: ([name]) => name }),
  }),
  fc.record({
    name: fc.constantFrom('x-one', 'x-two'),
    value: fc.string({ unit: fc.constantFrom(...'ab;"='), maxLength: 4 }),
    parameters: fc.constant([]),
  }),
)
const parts: fc.Arbitrary<Part[]> = fc.array(
  fc.record({ fields: fc.array(field, { maxLength: 3 }), content: contents }),
  {
    maxLength: 4,
  },
)

/** What parts are, as text: the judge that the code under test is held against. */
function identity(list: readonly Part[]): string {
  const sorted = <Item extends { name: string }>(items: readonly Item[]): Item[] =>
    items.toSorted((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0))
  return JSON.stringify(
    list.map(({ fields, content }) => {
      const heads = sorted(fields).map(({ name, value, parameters: list }) => {
        return [name, value, sorted(list.map(([name, value]) => ({ name, value })))]
      })
      return [heads, content]
    }),
  )
}

// ── Spellings ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** One of the many ways to write the parts down. */
function spell(list: readonly Part[], boundary: string, roll: Dice): Buffer {
  const gap = (): string => ['', ' ', '\t', ' \t'][roll(4)] ?? ''
  const preamble = ['', 'preamble\r\n', '\r\n', '--\r\n\r\n'][roll(4)] ?? ''
  const epilogue = ['', '\r\n', '\r\nepilogue', `\r\n--${boundary}\r\n`][roll(4)] ?? ''
  const spelled = list.map(({ fields, content }) => {
    const lines = reorder(fields, ({ name }) => name, roll).map(one => `${spellField(one, roll)}\r\n`)
    return `--${boundary}${gap()}\r\n${lines.join('')}\r\n${content}\r\n`
  })
  return Buffer.from(`${preamble}${spelled.join('')}--${boundary}--${gap()}${epilogue}`, 'latin1')
}

function spellField({ name, value, parameters: list }: Field, roll: Dice): string {
  const gap = (): string => ['', ' ', '\t '][roll(3)] ?? ''
  const cased = (text: string): string =>
    [text, text.toUpperCase(), `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`][roll(3)] ?? text
  const isPlain = !name.startsWith('content-')
  const spelled = reorder(list, ([name]) => name, roll).map(([name, text]) => {
    const bare = /^[^";\\ \u00a0]*$/.test(text) && roll(2) === 0 ? text : `"${text.replaceAll('\\', '/')}"`
    return `${gap()};${gap()}${cased(name)}=${bare}`
  })
  return `${cased(name)}:${gap()}${isPlain ? value : cased(value)}${spelled.join('')}${gap()}`
}

/** Whether no content can be taken for a boundary. */
function fits(list: readonly Part[], boundary: string): boolean {
  return list.every(({ content }) => !`\r\n${content}\r\n`.includes(`\r\n--${boundary}`))
}

/** Backslashes are never spelled as themselves here, so that quoted and bare values stay one. */
const withoutBackslashes = (list: readonly Part[]): Part[] =>
  list.map(part => ({
    ...part,
    fields: part.fields.map(one => ({
      ...one,
      parameters: one.parameters.map(([name, value]) => [name, value.replaceAll('\\', '/')] as const),
    })),
  }))

function changePart(part: Part, roll: Dice): Part {
  const place = roll(part.content.length + 1)
  const inserted = ['', 'a', '\r', '\n', '\r\n', '-', '\u0000'][roll(7)] ?? ''
  const content = part.content.slice(0, place) + inserted + part.content.slice(place + roll(2))
  return roll(2)
    ? { ...part, content }
    : { ...part, fields: changeList(part.fields, one => changeField(one, roll), roll) }
}

function changeField(one: Field, roll: Dice): Field {
  switch (roll(3)) {
    case 0:
      return { ...one, value: one.name.startsWith('content-') ? 'text/html' : `${one.value}a` }
    case 1:
      return { ...one, parameters: one.parameters.map(([name, value]) => [name, `${value}b`] as const) }
    default:
      return { ...one, name: one.name === 'x-one' ? 'x-two' : one.name }
  }
}

const cuts = fc.array(fc.nat(), { maxLength: 8 })

describe('the canonical form of a multipart body', () => {
  test('is the same for every boundary, every spelling and every split', () => {
    fc.assert(
      fc.property(parts, boundaries, boundaries, starts, starts, cuts, (list, one, other, left, right, places) => {
        fc.pre(fits(list, one) && fits(list, other))
        const form = formOf(spell(list, one, dice(left)), one)
        expect(form).toMatch(/^[0-9a-f]{64}$/)
        expect(formOf(spell(list, other, dice(right)), other, places)).toBe(form)
      }),
      parameters(3000),
    )
  })

  test('is the same in chunks of one byte', () => {
    fc.assert(
      fc.property(parts, boundaries, starts, (list, boundary, start) => {
        fc.pre(fits(list, boundary))
        const body = spell(list, boundary, dice(start))
        expect(formOf(body, boundary, Array.from(body.keys()))).toBe(formOf(body, boundary))
      }),
      parameters(500),
    )
  })

  test('is another after any change of a part', () => {
    let compared = 0
    fc.assert(
      fc.property(parts, boundaries, starts, (spelled, boundary, start) => {
        const list = withoutBackslashes(spelled)
        const roll = dice(start)
        const changed = changeList(list, part => changePart(part, roll), roll)
        fc.pre(fits(list, boundary) && fits(changed, boundary))
        const isSame = identity(changed) === identity(list)
        if (!isSame) compared++
        expect(formOf(spell(changed, boundary, roll), boundary) === formOf(spell(list, boundary, roll), boundary)).toBe(
          isSame,
        )
      }),
      parameters(3000),
    )
    expect(compared).toBeGreaterThan(1000)
  })
})

test('any bytes: every split gives the verdict of the whole', () => {
  const pieces = fc.constantFrom(
    '--b',
    '\r\n--b',
    '--',
    '-',
    '\r\n',
    '\r',
    '\n',
    ' ',
    'b',
    'A: 1\r\n',
    '\r\n\r\n',
    '\u0000',
  )
  let whole = 0
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), fc.constantFrom('', '\r\n--b--'), cuts, (list, end, places) => {
      const body = Buffer.from(`--b\r\n${list.join('')}${end}`, 'latin1')
      const verdict = formOf(body, 'b')
      if (/^[0-9a-f]{64}$/.test(verdict)) whole++
      expect(formOf(body, 'b', places)).toBe(verdict)
      expect(formOf(body, 'b', Array.from(body.keys()))).toBe(verdict)
    }),
    parameters(5000),
  )
  expect(whole).toBeGreaterThan(50)
})
