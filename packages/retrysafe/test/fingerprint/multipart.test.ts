import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { MultipartDigest, readBoundary } from '../../src/fingerprint/multipart.ts'

/** The digest of a body that is Latin-1 text, or why it is broken. */
function formOf(body: string, boundary = 'x', chunkBytes = Number.POSITIVE_INFINITY): string {
  const bytes = Buffer.from(body, 'latin1')
  const multipart = new MultipartDigest(boundary)
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) multipart.write(bytes.subarray(at, at + chunkBytes))
  const form = multipart.end()
  return form.kind === 'canonical' ? Buffer.from(form.digest).toString('hex') : form.reason
}

const sha256 = (text: string): string => hash('sha256', Buffer.from(text, 'latin1'))

const part = (name: string, value: string): string => `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`
const plain = `--x\r\n${part('a', '1')}\r\n--x--\r\n`
const goesOn = 'a line begins with the boundary and goes on'
const noEnd = 'the last boundary is missing'
const noField = 'a line in the head of a part is no header field'

test('a part is its head, its bytes, and their lengths behind them', () => {
  expect(formOf(plain)).toBe(sha256('19:content-disposition20:9:form-data4:name1:a000000000000002d10000000000000001'))
})

test('each part has its own length', () => {
  expect(formOf('--x\r\n\r\n1\r\n--x\r\n\r\n22\r\n--x--')).toBe(
    sha256('0000000000000000100000000000000010000000000000000220000000000000002'),
  )
})

describe('the same list of parts', () => {
  test.each([
    ['without a last line break', `--x\r\n${part('a', '1')}\r\n--x--`],
    ['with something before and after', `before\r\n\r\n--x\r\n${part('a', '1')}\r\n--x--\r\nafter\r\n--x\r\n`],
    ['with spaces behind the boundaries', `--x \t\r\n${part('a', '1')}\r\n--x-- \r\n`],
    ['case of names', '--x\r\nCONTENT-DISPOSITION: Form-Data; NAME="a"\r\n\r\n1\r\n--x--'],
    ['spaces in a field', '--x\r\nContent-Disposition:\tform-data ;\tname="a" \r\n\r\n1\r\n--x--'],
    ['without quotes', '--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--'],
    ['a semicolon too many', '--x\r\nContent-Disposition: form-data;; name=a;\r\n\r\n1\r\n--x--'],
  ])('%s', (_, body) => expect(formOf(body)).toBe(formOf(plain)))

  test('another boundary', () => {
    expect(formOf(plain.replaceAll('--x', '--yy/z=?'), 'yy/z=?')).toBe(formOf(plain))
    expect(formOf(plain.replaceAll('--x', `--${'-'.repeat(68)}xy`), `${'-'.repeat(68)}xy`)).toBe(formOf(plain))
  })

  test('order of the fields and of parameters', () => {
    const one =
      '--x\r\nContent-Disposition: form-data; name=f; filename=g\r\nContent-Type: text/plain\r\n\r\n1\r\n--x--'
    const other =
      '--x\r\ncontent-type: Text/Plain\r\ncontent-disposition: form-data; filename=g; name=f\r\n\r\n1\r\n--x--'
    expect(formOf(other)).toBe(formOf(one))
  })

  test('a head that is empty, and a part that has nothing but its head', () => {
    expect(formOf('--x\r\n\r\n1\r\n--x--')).toBe(sha256('000000000000000010000000000000001'))
    const empty = sha256('0'.repeat(32))
    expect(formOf('--x\r\n\r\n\r\n--x--')).toBe(empty)
    expect(formOf('--x\r\n\r\n--x--')).toBe(empty)
  })

  test('no part at all', () => expect(formOf('--x--')).toBe(sha256('')))
})

describe('another list of parts', () => {
  test.each([
    ['another value', plain.replace('\r\n1\r\n', '\r\n2\r\n')],
    ['a longer value', plain.replace('\r\n1\r\n', '\r\n1\r\n\r\n')],
    ['a line break of another kind', plain.replace('\r\n1\r\n', '\r\n1\n\r\n')],
    ['another name', plain.replace('"a"', '"b"')],
    ['case of a value', plain.replace('"a"', '"A"')],
    ['a file name', plain.replace('"a"', '"a"; filename="f"')],
    ['an empty file name', plain.replace('"a"', '"a"; filename=""')],
    ['a type', plain.replace('"a"\r\n', '"a"\r\nContent-Type: text/plain\r\n')],
    ['the part twice', `--x\r\n${part('a', '1')}\r\n${plain}`],
    ['an empty part more', `--x\r\n\r\n\r\n${plain}`],
  ])('%s', (_, body) => {
    expect(formOf(body)).toMatch(/^[0-9a-f]{64}$/)
    expect(formOf(body)).not.toBe(formOf(plain))
  })

  test('parts in another order', () => {
    const two = (one: string, other: string): string => `--x\r\n${one}\r\n--x\r\n${other}\r\n--x--`
    const [a, b] = [part('a', '1'), part('b', '2')]
    expect(formOf(two(a, b))).not.toBe(formOf(two(b, a)))
    // What is a value in one must not pass for the next part in the other.
    expect(formOf(two(a, b))).not.toBe(formOf(`--x\r\n${a}${b}\r\n--x--`))
  })

  test('a name in UTF-8 whose last byte looks like a space, and backslashes that are no escapes', () => {
    const named = (name: string): string => formOf(plain.replace('"a"', name))
    expect(named('\u00c3\u00a0')).not.toBe(named('\u00c3'))
    expect(named('"C:\\temp"')).not.toBe(named('"C:temp"'))
    expect(named('"a\\"b"')).toMatch(/^[0-9a-f]{64}$/)
  })

  test('parameters that are malformed stand for themselves', () => {
    const disposition = (text: string): string => formOf(plain.replace('form-data; name="a"', text))
    expect(disposition('form-data; name="a')).toMatch(/^[0-9a-f]{64}$/)
    expect(disposition('form-data; name="a')).not.toBe(disposition('form-data; name= "a'))
    expect(disposition('form-data; name="a" b')).not.toBe(disposition('form-data; name="a"  b'))
    // Nor can a value be spelled so that it passes for parameters.
    expect(disposition('9:form-data4:name1:a')).not.toBe(disposition('form-data; name="a"'))
  })
})

describe('bytes that look like a boundary', () => {
  test.each([
    ['in a line', '1--x'],
    ['after a bare line feed', '1\n--x--'],
    ['after a bare carriage return', '1\r--x--'],
    ['cut short', '1\r\n--'],
    ['cut short, again and again', '\r\r\n\r\n-\r\n--\r\r\n--\r\n'],
    ['of another name', '1\r\n--y\r\n'],
  ])('%s: they belong to the part', (_, value) => {
    const body = `--x\r\n\r\n${value}\r\n--x--`
    const expected = sha256(`${'0'.repeat(16)}${value}${value.length.toString(16).padStart(16, '0')}`)
    for (const chunkBytes of [1, 2, 3, 1_000]) expect(formOf(body, 'x', chunkBytes)).toBe(expected)
  })

  test.each([
    ['a longer one', '--x\r\n\r\n1\r\n--xy\r\n--x--'],
    ['one dash', '--x\r\n\r\n1\r\n--x-\r\n--x--'],
    ['after the last', '--x\r\n\r\n1\r\n--x--y'],
    ['a bare line feed', '--x\n\n1\n--x--'],
    ['a bare carriage return', '--x\r\n\r\n1\r\n--x\r1\r\n--x--'],
    ['before the first', '--xy\r\n--x\r\n\r\n1\r\n--x--'],
    ['a bare carriage return after the last', '--x\r\n\r\n1\r\n--x--\r1'],
    ['text behind the space', '--x\r\n\r\n1\r\n--x  1\r\n--x--'],
  ])('%s: broken, since readers disagree', (_, body) => {
    for (const chunkBytes of [1, 2, 3, 1_000]) expect(formOf(body, 'x', chunkBytes)).toBe(goesOn)
  })
})

describe('what is broken', () => {
  test.each([
    ['nothing', '', 'its boundary is nowhere in it'],
    ['no boundary', 'a=1', 'its boundary is nowhere in it'],
    ['half of the first boundary', '--', 'its boundary is nowhere in it'],
    ['the first boundary alone', '--x', noEnd],
    ['its line alone', '--x\r\n', noEnd],
    ['half a head', '--x\r\nContent-Disp', noEnd],
    ['a part without end', '--x\r\n\r\n1', noEnd],
    ['half of the last boundary', '--x\r\n\r\n1\r\n--x-', noEnd],
    ['half of the line after the last', '--x\r\n\r\n1\r\n--x--\r', noEnd],
    ['a boundary that is no last one', '--x\r\n\r\n1\r\n--x\r\n', noEnd],
    ['a boundary in a head', '--x\r\nA: 1\r\n--x\r\n\r\n1\r\n--x--', noField],
    ['a head without a colon', '--x\r\nA\r\n\r\n1\r\n--x--', noField],
    ['a space in a name', '--x\r\nA : 1\r\n\r\n1\r\n--x--', noField],
    ['a folded line', '--x\r\nA: 1\r\n 2\r\n\r\n1\r\n--x--', noField],
    ['two carriage returns in a head', '--x\r\nA: 1\r\r\n\r\n1\r\n--x--', noField],
    ['a bare line feed in a head', '--x\r\nA: 1\nB: 2\r\n\r\n1\r\n--x--', noField],
    ['a zero in a head', '--x\r\nA: \0\r\n\r\n1\r\n--x--', noField],
  ])('%s', (_, body, reason) => {
    for (const chunkBytes of [1, 2, 3, 1_000]) expect(formOf(body, 'x', chunkBytes)).toBe(reason)
  })

  test('nothing written, and more written after it broke', () => {
    expect(new MultipartDigest('x').end()).toEqual({ kind: 'broken', reason: 'its boundary is nowhere in it' })
    const multipart = new MultipartDigest('x')
    multipart.write(Buffer.from('--xy'))
    multipart.write(Buffer.from(plain))
    expect(multipart.end()).toEqual({ kind: 'broken', reason: goesOn })
  })
})

describe('bounds', () => {
  test('a head has at most 16 KiB', () => {
    const body = (bytes: number): string => `--x\r\nA: ${'v'.repeat(bytes - 3)}\r\n\r\n1\r\n--x--`
    expect(formOf(body(16_384))).toMatch(/^[0-9a-f]{64}$/)
    const tooLong = 'the head of a part is longer than 16384 bytes (MAX_PART_HEAD_BYTES)'
    expect(formOf(body(16_385))).toBe(tooLong)
    expect(formOf(body(16_385), 'x', 7)).toBe(tooLong)
    expect(formOf(`--x\r\n${'v'.repeat(1_000_000)}`)).toBe(tooLong)
  })

  test('a body has at most 1,000 parts', () => {
    const body = (parts: number): string => `${'--x\r\n\r\n\r\n'.repeat(parts)}--x--`
    expect(formOf(body(1_000))).toMatch(/^[0-9a-f]{64}$/)
    expect(formOf(body(1_001))).toBe('more than 1000 parts (MAX_PARTS)')
    expect(formOf(body(100_000))).toBe('more than 1000 parts (MAX_PARTS)')
  })

  test('a part of any size goes through in chunks, with nothing kept', () => {
    const chunk = Buffer.alloc(65_536, 'line\r\n--not')
    const multipart = new MultipartDigest('x')
    multipart.write(Buffer.from('--x\r\n\r\n'))
    for (let count = 0; count < 1_600; count++) multipart.write(chunk)
    multipart.write(Buffer.from('\r\n--x--'))
    expect(multipart.end().kind).toBe('canonical')
  })
})

describe('the boundary', () => {
  test.each([
    ['; boundary=x', 'x'],
    [';boundary="x"', 'x'],
    ['; charset=utf-8; BOUNDARY=x ;', 'x'],
    ['; boundary="a;b c"', 'a;b c'],
    ['; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW', '----WebKitFormBoundary7MA4YWxkTrZu0gW'],
    ['; boundary=a/b=?:(c)', 'a/b=?:(c)'],
    [`; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
  ])('%s', (parameters, boundary) => expect(readBoundary(parameters)).toEqual({ boundary }))

  const edge = 'the boundary is empty, ends in a space or is not ASCII'
  const malformed = 'the parameters of the content type are malformed'
  test.each([
    ['', 'the content type names no boundary'],
    ['; charset=utf-8', 'the content type names no boundary'],
    ['; boundary', malformed],
    ['; boundary="x', malformed],
    ['; boundary="x"y', malformed],
    ['; boundary=', edge],
    ['; boundary=""', edge],
    ['; boundary="x "', edge],
    ['; boundary=\u00e9', edge],
    ['; boundary=x; boundary=y', 'the content type names two boundaries'],
    [`; boundary=${'x'.repeat(71)}`, 'the boundary is too long: 71 characters > 70'],
  ])('%j: %s', (parameters, reason) => expect(readBoundary(parameters)).toEqual({ reason }))
})
