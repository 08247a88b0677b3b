import { describe, expect, test } from 'vitest'
import { canonicalForm } from '../../src/fingerprint/form.ts'
import { canonicalQuery, credentialOf } from '../../src/fingerprint/query.ts'

/** The canonical text of a form that is Latin-1, or why there is none. */
function formOf(body: string): string {
  const form = canonicalForm(Buffer.from(body, 'latin1'))
  return form.kind === 'canonical' ? Buffer.from(form.bytes).toString('latin1') : form.reason
}

describe('a form', () => {
  test.each([
    ['', ''],
    ['a=1', 'a=1'],
    ['b=2&a=1', 'a=1&b=2'],
    ['b=2&a=2&b=1&a=1', 'a=2&a=1&b=2&b=1'],
    ['&&a=1&&', 'a=1'],
    ['aa=1&a=2&=3&b=4', '=3&a=2&aa=1&b=4'],
    ['%62=%7e%7E~&%61=', 'a=&b=~~~'],
    ['a=x+y&b=x%20y&c=x y&d=x%2By', 'a=x+y&b=x+y&c=x+y&d=x%2By'],
    ['a=%26%3D%25&b==', 'a=%26%3D%25&b=%3D'],
    ['a=!*(),;:@/?$', 'a=%21%2A%28%29%2C%3B%3A%40%2F%3F%24'],
    ['a=%c3%a9&b=\u00c3\u00a9', 'a=%C3%A9&b=%C3%A9'],
    ['a=%00&b=\0', 'a=%00&b=%00'],
  ])('%j is %j', (body, expected) => expect(formOf(body)).toBe(expected))

  test('nothing is lost: a percent sign that begins no triplet stays one', () => {
    expect(formOf('a=%')).toBe('a=%')
    expect(formOf('a=%25')).toBe('a=%25')
    expect(formOf('a=%4')).toBe('a=%4')
    expect(formOf('a=%4g')).toBe('a=%4g')
    expect(formOf('a=%g4')).toBe('a=%g4')
    expect(formOf('a=%%34')).toBe('a=%4')
    expect(formOf('a=%2534')).toBe('a=%2534')
    expect(formOf('a=%%32A')).toBe('a=%2%41')
    expect(formOf('a=%2%41')).toBe('a=%2%41')
    expect(formOf('a=%2A')).toBe('a=%2A')
    expect(formOf('a=%%32G')).toBe('a=%2G')
    expect(formOf('a=%%32=1')).toBe('a=%2%3D1')
    expect(formOf('%%32=A')).toBe('%2=A')
    expect(formOf('a=%&1')).toBe('1&a=%')
  })

  test('a name alone is not a name with an empty value', () => {
    expect(formOf('a')).toBe('a')
    expect(formOf('a=')).toBe('a=')
    expect(formOf('=')).toBe('=')
  })

  test('it has at most 10,000 pairs', () => {
    expect(formOf('a&'.repeat(10_000))).toBe('a&'.repeat(10_000).slice(0, -1))
    expect(formOf('a&'.repeat(10_001))).toBe('more than 10000 pairs (MAX_FORM_PAIRS)')
    expect(formOf('&'.repeat(100_000))).toBe('')
  })
})

describe('a query', () => {
  test.each([
    ['', ''],
    ['a=1', 'a=1'],
    ['b=2&a=1', 'a=1&b=2'],
    ['a=2&a=1', 'a=2&a=1'],
    ['&a=1&', 'a=1'],
    ['key=secret', ''],
    ['key', ''],
    ['b=1&key=secret&a=1&key=other', 'a=1&b=1'],
    ['k%65y=secret&%6b%65%79=secret&%6Bey=secret&alt=sse', 'alt=sse'],
    ['keys=1&Key=2&akey=3', 'Key=2&akey=3&keys=1'],
    ['a=%7e%3a+%2b%2B', 'a=~%3A+%2B%2B'],
    ['a=b=c,d', 'a=b=c,d'],
    ['a=%zz', 'a=%zz'],
    ['a=%%32A', 'a=%2%41'],
  ])('%j is %j', (query, expected) => expect(canonicalQuery(query)).toBe(expected))

  test('its credential is found, however it is spelled', () => {
    expect(credentialOf('alt=sse&key=secret')).toBe('key=secret')
    expect(credentialOf('k%65y=secret&a=1&key=other')).toBe('k%65y=secret&key=other')
    expect(credentialOf('keys=1')).toBeUndefined()
    expect(credentialOf('')).toBeUndefined()
    expect(credentialOf('key=&key&k%65y=')).toBeUndefined()
    expect(credentialOf('key=&key=a')).toBe('key=a')
  })
})
