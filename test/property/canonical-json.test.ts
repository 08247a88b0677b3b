import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../packages/retrysafe/src/fingerprint/json.ts'
import { changeList, type Dice, dice, parameters, reorder, starts } from './seed.ts'

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function canonical(document: string | Uint8Array): string | undefined {
  const answer = canonicalJson(typeof document === 'string' ? encoder.encode(document) : document)
  return answer.kind === 'canonical' ? strictDecoder.decode(answer.bytes) : undefined
}

/** What JSON.parse says of the same bytes. */
function isAccepted(bytes: Uint8Array): boolean {
  try {
    JSON.parse(strictDecoder.decode(bytes))
    return true
  } catch {
    return false
  }
}

// ── Values ──────────────────────────────────────────────────────────────────────────────────────────────────────────
// Numbers are `digits` × 10^`exponent`; `digits` begins and ends with a digit that is not 0, but for '0' itself.

type Value =
  | { kind: 'literal'; text: string }
  | { kind: 'number'; negative: boolean; digits: string; exponent: bigint }
  | { kind: 'string'; text: string }
  | { kind: 'array'; items: Value[] }
  | { kind: 'object'; members: [string, Value][] }

const digitsOf = (text: string): string => text.replace(/^0+|0+$/g, '') || '0'

const exponents = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(-25n, 25n) },
  { weight: 2, arbitrary: fc.bigInt(-500n, 500n) },
  { weight: 1, arbitrary: fc.bigInt(10n ** 14n, 10n ** 17n) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.bigInt(-3n, 3n), fc.constantFrom(1n, -1n)).map(([near, sign]) => sign * 10n ** 15n + near),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.bigInt(-40n, 40n), fc.constantFrom(1n, -1n)).map(([near, sign]) => sign * 10n ** 30n + near),
  },
)

const numbers: fc.Arbitrary<Value> = fc
  .record({
    negative: fc.boolean(),
    text: fc.oneof(
      fc.string({ unit: fc.constantFrom('0', '1', '9'), maxLength: 30 }),
      fc.nat().map(String),
      fc.constantFrom('9007199254740992', '9007199254740993', '0', '1'),
    ),
    exponent: exponents,
  })
  .map(({ negative, text, exponent }) => {
    const digits = digitsOf(text)
    return digits === '0'
      ? { kind: 'number', negative: false, digits, exponent: 0n }
      : { kind: 'number', negative, digits, exponent }
  })

const characters = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...'abc ~') },
  { weight: 2, arbitrary: fc.constantFrom(...'"\\/\b\f\n\r\t\u0000\u0001\u001f\u007f') },
  { weight: 2, arbitrary: fc.constantFrom('\ud800', '\udbff', '\udc00', '\udfff', '\ud83d', '\ude00') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('é', 'e\u0301', '日', '😀', '\ud7ff', '\ue000', '\uffff', '\u{10ffff}', '\u0080'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
)
const texts = fc.string({ unit: characters, maxLength: 12 })
const names = fc.oneof(texts, fc.constantFrom('a', 'b', 'aa', '', '__proto__', 'constructor', '1', '10', 'toString'))

const { value: values } = fc.letrec<{ value: Value }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('true', 'false', 'null').map((text): Value => ({ kind: 'literal', text })),
    numbers,
    texts.map((text): Value => ({ kind: 'string', text })),
    fc.array(tie('value'), { maxLength: 4 }).map((items): Value => ({ kind: 'array', items })),
    fc.array(fc.tuple(names, tie('value')), { maxLength: 5 }).map((members): Value => ({ kind: 'object', members })),
  ),
}))

/** What a value is, as text: the judge that the code under test is held against. */
function identity(value: Value): string {
  switch (value.kind) {
    case 'literal':
      return value.text
    case 'number':
      return `${value.negative ? '-' : '+'}${value.digits}e${value.exponent}`
    case 'string':
      return `s${JSON.stringify(value.text)}`
    case 'array':
      return `[${value.items.map(identity).join()}]`
    case 'object': {
      const members = value.members.map(([name, member]) => [JSON.stringify(name), identity(member)] as const)
      const sorted = members.toSorted(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
      return `{${sorted.map(([name, member]) => `${name}:${member}`).join()}}`
    }
  }
}

// ── Spellings ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** One of the many ways to write `value` down. */
function spell(value: Value, roll: Dice): string {
  const gap = () => ' \t\n\r'.slice(roll(5)).slice(0, roll(3))
  const list = (parts: string[]) => parts.map(part => gap() + part + gap()).join()
  switch (value.kind) {
    case 'literal':
      return value.text
    case 'number':
      return spellNumber(value, roll)
    case 'string':
      return spellString(value.text, roll)
    case 'array':
      return `[${list(value.items.map(item => spell(item, roll)))}${gap()}]`
    case 'object': {
      const members = reorder(value.members, ([name]) => name, roll)
      return `{${list(members.map(([name, member]) => `${spellString(name, roll)}${gap()}:${gap()}${spell(member, roll)}`))}${gap()}}`
    }
  }
}

const shortEscapes: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  '\b': 'b',
  '\f': 'f',
  '\n': 'n',
  '\r': 'r',
  '\t': 't',
}

function spellString(text: string, roll: Dice): string {
  const hex = (unit: number) => {
    const digits = unit.toString(16).padStart(4, '0')
    return `\\u${roll(2) ? digits : digits.toUpperCase()}`
  }
  const spelled = Array.from(text, character => {
    const short = shortEscapes[character]
    if (short !== undefined && roll(3) > 0) return `\\${short}`
    const isRaw = !/^[\ud800-\udfff]$/.test(character) && character >= ' ' && character !== '"' && character !== '\\'
    if (isRaw && roll(4) > 0) return character
    return Array.from({ length: character.length }, (_, index) => hex(character.charCodeAt(index))).join('')
  })
  return `"${spelled.join('')}"`
}

function spellNumber(value: Value & { kind: 'number' }, roll: Dice): string {
  if (value.digits === '0') return ['0', '-0', '0.0', '0e9', '-0.00E-7', '0e-99999999999999999999'][roll(6)] ?? '0'
  const digits = value.digits + '0'.repeat(roll(4))
  const exponent = value.exponent - BigInt(digits.length - value.digits.length)
  const canBePlain = exponent <= 0n && exponent > -60n
  const fractionDigits = canBePlain && roll(2) ? Number(-exponent) : roll(digits.length + 3)
  const padded = digits.padStart(fractionDigits + 1, '0')
  const whole = padded.slice(0, padded.length - fractionDigits)
  const fraction = padded.slice(padded.length - fractionDigits)
  const scale = exponent + BigInt(fractionDigits)
  const sign = scale < 0n ? '-' : ['', '+'][roll(2)]
  const scaled = `${'eE'[roll(2)]}${sign}${'0'.repeat(roll(3))}${scale < 0n ? -scale : scale}`
  return `${value.negative ? '-' : ''}${whole}${fraction && '.'}${fraction}${scale === 0n && roll(3) ? '' : scaled}`
}

// ── Changes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `value` with one thing changed somewhere; now and then the change comes to nothing. */
function change(value: Value, roll: Dice): Value {
  switch (value.kind) {
    case 'literal':
      return { kind: 'literal', text: ['true', 'false', 'null'][roll(3)] ?? 'true' }
    case 'number':
      return changeNumber(value, roll)
    case 'string':
      return roll(8) === 0 ? { kind: 'array', items: [value] } : { kind: 'string', text: changeText(value.text, roll) }
    case 'array':
      return { kind: 'array', items: changeList(value.items, item => change(item, roll), roll) }
    case 'object': {
      const changeMember = ([name, member]: [string, Value]): [string, Value] =>
        roll(2) ? [changeText(name, roll), member] : [name, change(member, roll)]
      return { kind: 'object', members: changeList(value.members, changeMember, roll) }
    }
  }
}

function changeNumber(value: Value & { kind: 'number' }, roll: Dice): Value {
  const { negative, digits, exponent } = value
  if (digits === '0') return { ...value, digits: '1' }
  if (roll(4) === 0) return { ...value, negative: !negative }
  if (roll(3) === 0) return { ...value, exponent: exponent + (roll(2) ? 1n : -1n) }
  const place = roll(digits.length)
  const other = `${digits.slice(0, place)}${roll(10)}${digits.slice(place + 1)}`
  const trailing = other.length - other.replace(/0+$/, '').length
  if (digitsOf(other) === '0') return { kind: 'number', negative: false, digits: '0', exponent: 0n }
  return { ...value, digits: digitsOf(other), exponent: exponent + BigInt(trailing) }
}

function changeText(text: string, roll: Dice): string {
  const place = roll(text.length + 1)
  const inserted = ['a', '\u0000', '\ud800', '\udc00', 'é', '\\', '"', ''][roll(8)] ?? ''
  return text.slice(0, place) + inserted + text.slice(place + roll(2))
}

describe('the canonical form', () => {
  test('is the same for every spelling of a value', () => {
    fc.assert(
      fc.property(values, starts, starts, (value, one, other) => {
        const form = canonical(spell(value, dice(one)))
        expect(form).toBeTypeOf('string')
        expect(canonical(spell(value, dice(other)))).toBe(form)
        expect(canonical(form ?? '')).toBe(form)
      }),
      parameters(3000),
    )
  })

  test('is another after any single change', () => {
    let compared = 0
    fc.assert(
      fc.property(values, starts, (value, start) => {
        const roll = dice(start)
        const changed = change(value, roll)
        const isSame = identity(changed) === identity(value)
        if (!isSame) compared++
        expect(canonical(spell(changed, roll)) === canonical(spell(value, roll))).toBe(isSame)
      }),
      parameters(5000),
    )
    expect(compared).toBeGreaterThan(2000)
  })

  test('is that of RFC 8785 where doubles can hold the numbers', () => {
    const reference = (value: unknown): string => {
      if (Array.isArray(value)) return `[${value.map(reference).join()}]`
      if (typeof value !== 'object' || value === null) return JSON.stringify(value)
      const members = Object.entries(value).map(([name, member]) => [JSON.stringify(name), reference(member)] as const)
      const sorted = members.toSorted(([left], [right]) =>
        Buffer.compare(Buffer.from(left.slice(1, -1)), Buffer.from(right.slice(1, -1))),
      )
      return `{${sorted.map(([name, member]) => `${name}:${member}`).join()}}`
    }
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: characters, maxDepth: 4 }), fc.nat(3), (value, indent) => {
        expect(canonical(JSON.stringify(value, undefined, indent))).toBe(reference(value))
      }),
      parameters(1500),
    )
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), double => {
        expect(canonical(double.toExponential())).toBe(JSON.stringify(double))
      }),
      parameters(3000),
    )
  })

  test('is that of the npm package canonicalize, where no name needs an escape or stands past U+D7FF', () => {
    // There the order by UTF-16 and by UTF-8 is one; numbers are what doubles can hold.
    const name = fc.string({ unit: fc.constantFrom(...'abAB01_ é日\u007f\ud7ff'), maxLength: 4 })
    const { document } = fc.letrec<{ document: unknown }>(tie => ({
      document: fc.oneof(
        { depthSize: 'medium' },
        fc.constantFrom(null, true, false),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.maxSafeInteger(),
        fc.string({ unit: 'binary' }),
        fc.array(tie('document'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(name, fc.constantFrom('constructor', 'toString', '1', '10')), tie('document')),
      ),
    }))
    fc.assert(
      fc.property(document, fc.nat(3), (value, indent) => {
        expect(canonical(JSON.stringify(value, undefined, indent))).toBe(canonicalize(value))
      }),
      parameters(1500),
    )
  })

  test('has its members in the order of their names, however many', () => {
    const unit = fc.constantFrom('a', 'b', 'c', 'é', '😀', '\ufffd', '\\', '\n', ' ')
    const many = fc.array(fc.string({ unit, maxLength: 9 }), { maxLength: 120, size: 'max' })
    fc.assert(
      fc.property(many, fc.boolean(), (list, isPrefixed) => {
        const spelled = list.map(name => JSON.stringify(isPrefixed ? `common ${name}` : name).slice(1, -1))
        const sorted = spelled
          .map((name, place) => ({ name: Buffer.from(name), place }))
          .toSorted((left, right) => Buffer.compare(left.name, right.name) || left.place - right.place)
        expect(canonical(`{${spelled.map((name, place) => `"${name}":${place}`).join()}}`)).toBe(
          `{${sorted.map(({ name, place }) => `"${name}":${place}`).join()}}`,
        )
      }),
      parameters(500),
    )
  })
})

describe('what is accepted', () => {
  const pieces = [
    ...'{}[]",:\\/ub0123456789.eE+-\t\n\v\f \u0000\u001f\u007fé😀\ufeff\u00a0\u2028',
    'true',
    'null',
    '\\u00',
    '"a"',
    '":',
    '{"',
  ]

  test('is what JSON.parse accepts, for documents with a few changes', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(1), fc.constantFrom('', ...pieces)), {
      minLength: 1,
      maxLength: 3,
    })
    let accepted = 0
    fc.assert(
      fc.property(values, starts, edits, (value, start, list) => {
        const document = Array.from(spell(value, dice(start)))
        for (const [place, removed, piece] of list) document.splice(place % (document.length + 1), removed, piece)
        const bytes = encoder.encode(document.join(''))
        if (isAccepted(bytes)) accepted++
        expect(canonical(bytes) !== undefined).toBe(isAccepted(bytes))
      }),
      parameters(5000),
    )
    expect(accepted).toBeGreaterThan(300)
  })

  test('is what JSON.parse accepts, for short sequences of tokens', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 7 }), list => {
        const bytes = encoder.encode(list.join(''))
        expect(canonical(bytes) !== undefined).toBe(isAccepted(bytes))
      }),
      parameters(20_000),
    )
  })

  test('is UTF-8 as TextDecoder has it: all first bytes, the edges of all second ones', () => {
    const edges = [0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]
    const disagree: string[] = []
    for (let lead = 0x80; lead < 0x100; lead++) {
      for (const second of edges) {
        for (const rest of [[], [0x80], [0xbf, 0x80], [0x80, 0xbf, 0xbf], [0x80, 0x41], [0xbf, 0xc0]]) {
          const bytes = Uint8Array.from([0x22, lead, second, ...rest, 0x22])
          if ((canonical(bytes) !== undefined) !== isAccepted(bytes)) disagree.push(Buffer.from(bytes).toString('hex'))
        }
      }
    }
    expect(disagree).toEqual([])
  })

  test('is UTF-8 as TextDecoder has it, and no bytes make it throw', () => {
    const character = fc.string({ unit: 'binary', maxLength: 4 }).map(text => [...encoder.encode(text)])
    const sequences = fc.oneof({ weight: 3, arbitrary: character }, fc.array(fc.integer({ min: 0x70, max: 0xff })))
    const strings = fc.array(sequences, { maxLength: 3 }).map(parts => Uint8Array.from([0x22, ...parts.flat(), 0x22]))
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: strings }, fc.uint8Array()), bytes => {
        expect(canonical(bytes) !== undefined).toBe(isAccepted(bytes))
      }),
      parameters(5000),
    )
  })
})
