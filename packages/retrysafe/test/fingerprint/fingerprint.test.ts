import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { canonicalBody } from '../../src/fingerprint/canonical-body.ts'
import { canonicalFingerprint, type FingerprintInput, rawFingerprint } from '../../src/fingerprint/fingerprint.ts'
import { createKeyedHash } from '../../src/fingerprint/keyed-hash.ts'
import { compileLeaveOut, type LeaveOut } from '../../src/fingerprint/leave-out.ts'

const key = createKeyedHash(Buffer.alloc(32, 7))

type Change = Partial<Omit<FingerprintInput, 'body'>> & { readonly body?: string | Uint8Array }

function input({ body = '{"a":1}', ...change }: Change = {}): FingerprintInput {
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    query: '',
    headers: [],
    mediaType: 'application/json',
    contentEncoding: '',
    body: typeof body === 'string' ? Buffer.from(body) : body,
    ...change,
  }
}

const raw = (change?: Change): string => rawFingerprint(key, input(change))
const canonical = (change?: Change): string => canonicalFingerprint(key, input(change))
/** Why a body counts by its bytes as sent. */
const reasonOf = (change: Change): string | undefined => {
  const body = canonicalBody(input(change))
  return body.kind === 'as sent' ? body.reason : undefined
}

const multipart = (boundary: string, value = '1'): Change => ({
  mediaType: 'multipart/form-data',
  parameters: `; boundary=${boundary}`,
  body: `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n${value}\r\n--${boundary}--\r\n`,
})
const form = { mediaType: 'application/x-www-form-urlencoded' }
const text = { mediaType: 'text/plain' }

function leavingOut(...pointers: string[]): { leaveOut: LeaveOut } {
  const compiled = compileLeaveOut(pointers)
  if (compiled.kind === 'invalid') throw new Error(compiled.reason)
  return compiled
}

test('a fingerprint is a version and 43 characters, and tells nothing without the key', () => {
  expect(raw()).toMatch(/^2[A-Za-z0-9_-]{43}$/)
  expect(canonical()).toMatch(/^2[A-Za-z0-9_-]{43}$/)
  const other = createKeyedHash(Buffer.alloc(32, 8))
  expect(rawFingerprint(other, input())).not.toBe(raw())
  expect(canonicalFingerprint(other, input())).not.toBe(canonical())
})

describe('the same request', () => {
  test.each<[string, Change, Change]>([
    ['JSON', { body: '{"a":1,"b":2}' }, { body: '{ "b": 2.0, "a": 1 }' }],
    ['a charset of JSON', {}, { parameters: '; charset="UTF-8"' }],
    [
      'a type that ends in +json',
      { mediaType: 'application/x+json' },
      { mediaType: 'application/x+json', body: '{"a":1.0}' },
    ],
    ['parameters of a type', { ...text, parameters: '; a=1; b=2' }, { ...text, parameters: ';B="2" ;a=1' }],
    ['a query', { query: 'b=2&a=1&key=one' }, { query: 'a=1&k%65y=two&b=2' }],
    ['multipart', multipart('x'), multipart('yy')],
    ['a form', { ...form, body: 'b=2&a=%31' }, { ...form, body: 'a=1&b=2' }],
    ['gzip', {}, { contentEncoding: 'gzip', body: gzipSync('{"a": 1}') }],
    [
      'gzip of another level',
      { contentEncoding: 'gzip', body: gzipSync('{"a":1}', { level: 0 }) },
      { contentEncoding: 'gzip', body: gzipSync('{"a":1}') },
    ],
    [
      'gzip of multipart',
      multipart('x'),
      { ...multipart('y'), contentEncoding: 'gzip', body: gzipSync(Buffer.from(input(multipart('y')).body)) },
    ],
    ['gzip of text', { ...text, body: 'a' }, { ...text, contentEncoding: 'gzip', body: gzipSync('a') }],
    ['identity', {}, { contentEncoding: 'identity' }],
    [
      'what is left out',
      { body: '{"a":1,"t":1}', ...leavingOut('/t') },
      { body: '{"t":2,"a":1}', ...leavingOut('/t') },
    ],
    [
      'what is left out of gzip',
      { body: '{"a":1}', ...leavingOut('/t') },
      { body: gzipSync('{"t":2,"a":1}'), contentEncoding: 'gzip', ...leavingOut('/t') },
    ],
  ])('%s', (_, one, other) => {
    expect(canonical(one)).toBe(canonical(other))
    expect(reasonOf(one)).toBeUndefined()
    expect(reasonOf(other)).toBeUndefined()
  })
})

describe('another request', () => {
  test.each<[string, Change, Change]>([
    ['the method', {}, { method: 'PATCH' }],
    ['the path', {}, { path: '/v1/chat' }],
    ['the query', { query: 'a=1' }, { query: 'a=2' }],
    ['a header that counts', {}, { headers: ['openai-beta: x'] }],
    ['two headers for one', { headers: ['a: b', 'c: d'] }, { headers: ['a: bc: d'] }],
    ['a header for the type', { mediaType: 'a', headers: ['b'] }, { mediaType: 'a1:b', headers: [] }],
    ['the type', {}, { mediaType: 'text/json' }],
    ['a parameter of the type', { ...text, parameters: '; charset=a' }, { ...text, parameters: '; charset=b' }],
    ['a profile of JSON', {}, { parameters: '; profile=a' }],
    ['another charset of JSON', { parameters: '; charset=utf-8' }, { parameters: '; charset=utf-7' }],
    ['a second content type', { parameters: '; charset=utf-8' }, { parameters: '; charset=utf-8, text/plain' }],
    ['a value', {}, { body: '{"a":2}' }],
    [
      'a value that is not left out',
      { body: '{"a":1,"t":1}', ...leavingOut('/t') },
      { body: '{"a":2,"t":1}', ...leavingOut('/t') },
    ],
    ['a part', multipart('x'), multipart('x', '2')],
    ['a pair', { ...form, body: 'a=1' }, { ...form, body: 'a=2' }],
    ['JSON that is said to be a form', { ...form, body: '{"a":"1+1"}' }, { ...form, body: '{"a":"1 1"}' }],
    ['its order', { ...form, body: '{"a":"&c&b&"}' }, { ...form, body: '{"a":"&b&c&"}' }],
    ['text and its spelling', { ...text, body: 'a b' }, { ...text, body: 'a  b' }],
    ['empty and not', { body: '' }, { body: ' ' }],
  ])('%s', (_, one, other) => {
    expect(raw(one)).not.toBe(raw(other))
    expect(canonical(one)).not.toBe(canonical(other))
  })

  test('the same bytes, read in another way', () => {
    const body = '--x\r\n\r\n1\r\n--x--\r\n--y\r\n\r\n2\r\n--y--'
    const [x, y] = ['; boundary=x', '; boundary=y'].map(parameters => ({
      mediaType: 'multipart/mixed',
      parameters,
      body,
    }))
    expect(raw(x)).not.toBe(raw(y))
    expect(canonical(x)).not.toBe(canonical(y))
    const bytes = gzipSync('{}')
    expect(raw({ body: bytes, contentEncoding: 'gzip' })).not.toBe(raw({ body: bytes }))
    expect(canonical({ body: bytes, contentEncoding: 'gzip' })).not.toBe(canonical({ body: bytes }))
  })
})

describe('what is not what it claims to be counts by its bytes, and why is told', () => {
  test.each<[Change, string]>([
    [{ body: '{"a":' }, 'json: a value was expected, the document ends here (byte 5)'],
    [{ body: '' }, 'json: a value was expected, the document ends here (byte 0)'],
    [{ ...multipart('x'), parameters: '' }, 'multipart: the content type names no boundary'],
    [{ ...multipart('x'), parameters: '; boundary=y' }, 'multipart: its boundary is nowhere in it'],
    [{ ...multipart('x'), body: '--x\r\n\r\n1' }, 'multipart: the last boundary is missing'],
    ...['{}', '"a"', '<a/>', 'a=x y', 'a=\u00e9', 'a=1\n', 'a=\0', 'a=\x7f'].map((body): [Change, string] => [
      { ...form, body },
      'form: a byte stands in it that forms spell with a percent sign; is its content type right?',
    ]),
    [{ ...form, body: 'a&'.repeat(10_001) }, 'form: more than 10000 pairs (MAX_FORM_PAIRS)'],
    [{ contentEncoding: 'gzip' }, 'content-encoding: the body is not one whole gzip stream'],
    [{ contentEncoding: 'zstd' }, 'content-encoding: it names a coding that is not decoded here'],
    [
      { contentEncoding: 'gzip', body: gzipSync('{"a":') },
      'json: a value was expected, the document ends here (byte 5)',
    ],
  ])('%#: %s', (change, reason) => {
    expect(reasonOf(change)).toBe(reason)
    expect(canonical(change)).toBe(canonical(change))
    const { body } = input(change)
    // One byte more, and it is another request, although no reader gets that far.
    expect(canonical({ ...change, body: Buffer.concat([body, Buffer.from(' ')]) })).not.toBe(canonical(change))
  })

  test('it equals nothing that is', () => {
    const broken = { ...multipart('x'), body: '--x\r\n\r\n1' }
    const all = [
      canonical({ ...broken }),
      canonical({ ...broken, ...text }),
      canonical({ ...broken, ...form }),
      canonical({ ...broken, mediaType: 'application/json' }),
      raw(broken),
    ]
    expect(new Set(all).size).toBe(5)
  })

  test('what is left out is of JSON alone', () => {
    const change = { ...text, body: '{"a":1,"t":1}' }
    expect(canonical({ ...change, ...leavingOut('/t') })).toBe(canonical(change))
    expect(canonical({ body: '{"a":1,"t":', ...leavingOut('/t') })).not.toBe(
      canonical({ body: '{"a":1,"t":1', ...leavingOut('/t') }),
    )
  })
})
