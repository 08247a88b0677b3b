import { expect, test } from 'vitest'
import { type InputLine, readInputLine } from '../../../src/batch/file/input-line.ts'
import { inputLine } from '../folder.ts'

function read(text: string | Uint8Array, isEnded = true): InputLine {
  return readInputLine({ lineNumber: 7, offsetBytes: 0, endBytes: 0, bytes: Buffer.from(text as string), isEnded })
}

function reasonOf(text: string | Uint8Array, isEnded = true): string | undefined {
  const line = read(text, isEnded)
  return line.kind === 'bad' ? line.reason : undefined
}

/** Of a line that is good but for this. */
function changed(members: Record<string, unknown>): string {
  return JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/x', body: {}, ...members })
}

test('the body stays as it stands in the file, byte by byte', () => {
  const body = '{ "model" : "m", "n": 9007199254740993,\t"n": 1e400, "t": "\\u00e9 \\"}{" }'
  const line = read(` {"url":"/v1/x?a=b", "body" :${body} , "method":"POST","custom_id":"\\u0061"} `)
  if (line.kind === 'bad') throw new Error(line.reason)
  expect(Buffer.from(line.line.body).toString()).toBe(body)
  expect(line.line).toMatchObject({ lineNumber: 7, customId: 'a', method: 'POST', url: '/v1/x?a=b', model: 'm' })
  expect(line.unknown).toBeUndefined()
})

test('equal items have equal fingerprints, however they are spelled; nothing else has', () => {
  const fingerprint = (text: string): string => {
    const line = read(text)
    return line.kind === 'item' ? line.line.fingerprint : line.reason
  }
  const one = fingerprint('{"custom_id":"a","method":"POST","url":"/v1/x","body":{"b":1.0,"a":"\\u00e9"}}')
  // printf 'POST 5:/v1/x;{"a":"é","b":1}' | sha256sum
  expect(one).toBe('fc692f561d4b4289450d6ee69b68fd5a5c0daac90bf625447bda4c387d5305f8')
  expect(fingerprint('{"body": {"a":"é", "b":1}, "custom_id":"other","method":"POST","url":"/v1/x"}')).toBe(one)
  expect(fingerprint('{"custom_id":"a","method":"POST","url":"/v1/y","body":{"b":1,"a":"é"}}')).not.toBe(one)
  expect(fingerprint('{"custom_id":"a","method":"POST","url":"/v1/x","body":{"b":1,"a":"e"}}')).not.toBe(one)
  expect(fingerprint('{"custom_id":"a","method":"POST","url":"/v1/x","body":{"n":9007199254740993}}')).not.toBe(
    fingerprint('{"custom_id":"a","method":"POST","url":"/v1/x","body":{"n":9007199254740992}}'),
  )
})

test('a line that is no JSON is told with the place', () => {
  expect(reasonOf('{"custom_id":"a",}')).toBe('it is no JSON: a member name was expected, at byte 18 of the line')
  expect(reasonOf('{"custom_id":"a"', false)).toBe(
    'it is no JSON: "," or "}" was expected, the document ends here, at byte 17 of the line; the file seems to be cut off here',
  )
  expect(reasonOf(inputLine('a'), false)).toBeUndefined()
  expect(reasonOf(Buffer.from([0x7b, 0xff]))).toContain('it is no JSON')
  expect(reasonOf('[{}]')).toBe('it takes an object on each line')
})

test.each([
  [{ custom_id: undefined }, 'custom_id is missing'],
  [{ custom_id: 7 }, 'custom_id takes a string'],
  [{ custom_id: '' }, 'custom_id is empty'],
  [{ custom_id: 'x'.repeat(513) }, 'custom_id is too long: 513 characters > 512'],
  [{ custom_id: '\ud800' }, 'custom_id is no well-formed Unicode'],
  [{ method: undefined }, 'method is missing'],
  [{ method: 'GET' }, 'method takes "POST", not "GET"'],
  [{ method: 'post' }, 'method takes "POST", not "post"'],
  [{ url: undefined }, 'url is missing'],
  [{ url: 'v1/x' }, 'url takes a path that begins with "/"'],
  [{ url: '' }, 'url takes a path that begins with "/"'],
  [
    { url: 'https://api.example.com/v1/x' },
    'url takes a path such as "/v1/chat/completions": the host comes from the base URL',
  ],
  [{ url: '//evil.example/v1/x' }, 'url takes a path such as "/v1/chat/completions": the host comes from the base URL'],
  [{ url: '/v1//x' }, 'url has an empty step ("//") in its path'],
  [{ url: '/v1/../x' }, 'url has a "." or ".." step in its path'],
  [{ url: '/v1/%2E%2e/x' }, 'url has a "." or ".." step in its path'],
  [{ url: '/v1/./x' }, 'url has a "." or ".." step in its path'],
  [{ url: '/v1/x y' }, 'url takes printable ASCII without spaces, "\\" and "#"; write anything else as %XX'],
  [{ url: '/v1\\x' }, 'url takes printable ASCII without spaces, "\\" and "#"; write anything else as %XX'],
  [{ url: '/v1/x#y' }, 'url takes printable ASCII without spaces, "\\" and "#"; write anything else as %XX'],
  [{ url: '/v1/x\r\nHost: y' }, 'url takes printable ASCII without spaces, "\\" and "#"; write anything else as %XX'],
  [{ url: `/${'x'.repeat(8_192)}` }, 'url is too long: 8193 characters > 8192'],
  [{ body: undefined }, 'body is missing'],
  [{ body: null }, 'body takes an object'],
  [{ body: [] }, 'body takes an object'],
  [{ body: { stream: true } }, 'body has "stream": true: a batch has no streams'],
])('%j is refused', (members, reason) => {
  expect(reasonOf(changed(members))).toBe(reason)
})

test('what is near to that is taken', () => {
  for (const members of [
    { custom_id: 'x'.repeat(512) },
    { custom_id: '\u{1f600} a\n' },
    { url: '/v1/..x/y.' },
    { url: '/v1/x?a=//..' },
    { body: { stream: false } },
    { body: { inner: { stream: true } } },
  ]) {
    expect(reasonOf(changed(members))).toBeUndefined()
  }
})

test('a member that stands there twice is refused: parsers differ in which one counts', () => {
  expect(reasonOf(`${inputLine('a').slice(0, -1)},"custom_id":"b"}`)).toBe('custom_id stands there twice')
  expect(reasonOf(`${inputLine('a').slice(0, -1)},"\\u0062ody":{}}`)).toBe('body stands there twice')
})

test('a member without a use is named', () => {
  const line = read(changed({ metadata: 1 }))
  expect(line.kind === 'item' && line.unknown).toBe('metadata')
})

test('of several models the last counts, as where the body is parsed; one that is no string counts for none', () => {
  const modelOf = (body: string): string | undefined => {
    const line = read(`{"custom_id":"a","method":"POST","url":"/v1/x","body":${body}}`)
    return line.kind === 'item' ? line.line.model : line.reason
  }
  expect(modelOf('{"model":"a","x":{"model":"b"},"mo\\u0064el":"c\\n"}')).toBe('c\n')
  expect(modelOf('{"model":"a","model":7}')).toBeUndefined()
  expect(modelOf('{}')).toBeUndefined()
})
