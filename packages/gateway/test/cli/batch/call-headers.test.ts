import { describe, expect, test } from 'vitest'
import {
  callHeaders,
  combineHeaders,
  readApiKey,
  readHeader,
  redactionOf,
  secretsIn,
} from '../../../src/cli/batch/call-headers.ts'

function messageOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return String(error)
  }
  return 'nothing was thrown'
}

describe('the key of --api-key-env goes as its API wants it', () => {
  const credentials = { apiKey: 'sk-1', given: [] }

  test.each([
    ['/v1/chat/completions', { authorization: 'Bearer sk-1' }],
    ['/openai/v1/embeddings?x=1', { authorization: 'Bearer sk-1' }],
    ['/v1/messages', { 'x-api-key': 'sk-1', 'anthropic-version': '2023-06-01' }],
    ['/anthropic/v1/messages?beta=true', { 'x-api-key': 'sk-1', 'anthropic-version': '2023-06-01' }],
    ['/v1beta/models/gemini-2.5-flash:generateContent', { 'x-goog-api-key': 'sk-1' }],
    ['/v1/models', { authorization: 'Bearer sk-1' }],
  ])('%s', (target, headers) => {
    expect(callHeaders(credentials, target)).toEqual(headers)
  })

  test('what --header says wins, and stands beside it', () => {
    const given = [
      { name: 'anthropic-version', value: '2099-01-01' },
      { name: 'x-team', value: 'a' },
    ]
    expect(callHeaders({ apiKey: 'sk-1', given }, '/v1/messages')).toEqual({
      'x-api-key': 'sk-1',
      'anthropic-version': '2099-01-01',
      'x-team': 'a',
    })
  })

  test('without one nothing is made up', () => {
    expect(callHeaders({ apiKey: undefined, given: [] }, '/v1/messages')).toEqual({})
  })
})

describe('--api-key-env', () => {
  test('reads the variable, without the line end that a file left', () => {
    expect(readApiKey('OPENAI_API_KEY', { OPENAI_API_KEY: 'sk-1\n' })).toBe('sk-1')
  })

  test.each([
    ['GONE', {}, 'the variable GONE is not set'],
    ['EMPTY', { EMPTY: ' \n' }, 'the variable EMPTY is empty'],
    ['BROKEN', { BROKEN: 'sk-secret\nX: y' }, 'the variable BROKEN holds a character that no header can carry'],
    ['sk-secret', {}, 'it takes the name of a variable of the environment, such as OPENAI_API_KEY, not the key itself'],
  ])('%s: says why, and never the value', (variable, environment, reason) => {
    const message = messageOf(() => readApiKey(variable, environment))
    expect(message).toContain(reason)
    expect(message).not.toContain('sk-secret')
  })
})

describe('--header', () => {
  test('takes NAME: VALUE', () => {
    expect(readHeader('X-Team:  a:b ')).toEqual({ name: 'x-team', value: 'a:b' })
  })

  test.each([
    ['sk-secret', "it takes 'NAME: VALUE'"],
    [': sk-secret', "it takes 'NAME: VALUE'"],
    ['x y: sk-secret', "it takes 'NAME: VALUE'"],
    ['X-Team:', 'the value of x-team is empty'],
    ['X-Team: sk-secret\r\nX: y', 'the value of x-team holds a character that no header can carry'],
    ['X-Team: é-sk-secret', 'the value of x-team holds a character that no header can carry'],
    ['Idempotency-Key: sk-secret', 'idempotency-key is set by retrysafe itself'],
    ['Content-Length: 1', 'content-length is set by retrysafe itself'],
    ['Host: h', 'host is set by retrysafe itself'],
    ['Transfer-Encoding: chunked', 'transfer-encoding is set by retrysafe itself'],
  ])('%j: says why, and never the value', (text, reason) => {
    const message = messageOf(() => readHeader(text))
    expect(message).toContain(reason)
    expect(message).not.toContain('sk-secret')
  })

  test('one name twice is refused', () => {
    const twice = [readHeader('X-Team: a'), readHeader('x-team: b')]
    expect(messageOf(() => combineHeaders(twice))).toContain('x-team is given twice')
  })
})

test('what nobody else is to see: keys, and headers that are named like one, also without their scheme', () => {
  const given = [
    { name: 'proxy-auth', value: 'Basic dXNlcjpwYXNz' },
    { name: 'x-team', value: 'research' },
    { name: 'x-token', value: 'abc' },
  ]
  expect(secretsIn({ apiKey: 'sk-secret', given })).toEqual(['Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz', 'sk-secret'])
})

test('they are taken out of what is told, also as JSON writes them, and begun at the end of a text that was cut', () => {
  const { redact, redactKeys } = redactionOf({
    apiKey: 'sk-0123456789abcdef',
    given: [{ name: 'x-token', value: 'a"bcdefghijklmnopq' }],
  })
  const told = '{"key":"Bearer sk-0123456789abcdef","token":"a\\"bcdefghijklmnopq"}'
  expect(redact(told)).toBe('{"key":"Bearer ***","token":"***"}')
  expect(redact('{"key":"sk-01234567')).toBe('{"key":"***')
  expect(redact('{"key":"sk-01')).toBe('{"key":"sk-01')
  // A success stays as it came, but for what is a key beyond doubt.
  expect(redactKeys(told)).toBe('{"key":"Bearer ***","token":"a\\"bcdefghijklmnopq"}')
  expect(redactionOf({ apiKey: 'sk-test', given: [] }).redactKeys('use sk-test')).toBe('use sk-test')
})
