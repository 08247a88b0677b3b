import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type BodyInput,
  type CanonicalBody,
  canonicalBody,
} from '../../packages/retrysafe/src/fingerprint/canonical-body.ts'
import { canonicalJson } from '../../packages/retrysafe/src/fingerprint/json.ts'
import { compileLeaveOut, withoutMembers } from '../../packages/retrysafe/src/fingerprint/leave-out.ts'
import { parameters } from './seed.ts'

function formOf(input: BodyInput): string {
  const body: CanonicalBody = canonicalBody(input)
  return body.kind === 'as sent' ? body.kind : `${body.kind} ${Buffer.from(body.digest).toString('hex')}`
}

const encoders = fc.constantFrom(
  ['gzip', gzipSync] as const,
  ['x-gzip', gzipSync] as const,
  ['deflate', deflateSync] as const,
  ['deflate', deflateRawSync] as const,
  ['br', brotliCompressSync] as const,
)
const bodies = fc.oneof(
  fc.record({ mediaType: fc.constant('application/json'), body: fc.json().map(text => Buffer.from(text)) }),
  fc.record({
    mediaType: fc.constant('application/x-www-form-urlencoded'),
    body: fc.string().map(text => Buffer.from(text)),
  }),
  fc.record({ mediaType: fc.constant('text/plain'), body: fc.uint8Array().map(bytes => Buffer.from(bytes)) }),
)

test('an encoded body is the plain one, whatever the codings on it', () => {
  fc.assert(
    fc.property(bodies, fc.array(encoders, { minLength: 1, maxLength: 4 }), ({ mediaType, body }, list) => {
      let encoded: Buffer = body
      for (const [, encode] of list) encoded = encode(encoded)
      const contentEncoding = list.map(([coding]) => coding).join(', ')
      expect(formOf({ mediaType, contentEncoding, body: encoded })).toBe(
        formOf({ mediaType, contentEncoding: '', body }),
      )
    }),
    parameters(500),
  )
})

test('a part of an encoded body, or one with more behind it, is never taken for it', () => {
  fc.assert(
    fc.property(
      fc.json(),
      encoders,
      fc.nat(),
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      (text, coded, cut, more) => {
        const [contentEncoding, encode] = coded
        const whole = encode(Buffer.from(text))
        const form = (body: Uint8Array): string => formOf({ mediaType: 'application/json', contentEncoding, body })
        expect(form(whole)).toMatch(/^json /)
        expect(form(whole.subarray(0, cut % whole.byteLength))).toBe('as sent')
        expect(form(Buffer.concat([whole, more]))).toBe('as sent')
      },
    ),
    parameters(1000),
  )
})

test('what is left out is what a JSON pointer names', () => {
  const name = fc.constantFrom('a', 'b', '0', '1', '~', '/', '')
  const { value } = fc.letrec<{ value: unknown }>(tie => ({
    value: fc.oneof(
      { depthSize: 'large', maxDepth: 4, withCrossShrink: true },
      fc.constantFrom(null, 1, 'text ]},"'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(name, tie('value'), { minKeys: 1, maxKeys: 5 }),
    ),
  }))
  const steps = fc.array(name, { minLength: 1, maxLength: 3, size: 'max' })
  let removed = 0
  const remove = (from: unknown, [step, ...rest]: readonly string[]): void => {
    if (typeof from !== 'object' || from === null || step === undefined || !Object.hasOwn(from, step)) return
    if (rest.length > 0) return remove(Reflect.get(from, step), rest)
    if (Array.isArray(from)) return
    Reflect.deleteProperty(from, step)
    removed++
  }
  fc.assert(
    fc.property(value, fc.array(steps, { maxLength: 4 }), (document, pointers) => {
      const spelled = pointers.map(list =>
        list.map(step => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
      )
      const compiled = compileLeaveOut(spelled)
      const canonical = canonicalJson(Buffer.from(JSON.stringify(document)))
      if (compiled.kind === 'invalid' || canonical.kind === 'invalid') throw new Error('both are well-formed')
      const left = Buffer.from(withoutMembers(canonical.bytes, compiled.leaveOut)).toString()
      const expected = structuredClone(document)
      for (const list of pointers) remove(expected, list)
      expect(left).toBe(canonicalize(expected))
    }),
    parameters(3000),
  )
  expect(removed).toBeGreaterThan(150)
})
