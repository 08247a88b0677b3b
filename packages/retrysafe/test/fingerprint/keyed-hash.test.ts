import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createKeyedHash } from '../../src/fingerprint/keyed-hash.ts'

test('is HMAC-SHA-256 (RFC 4231, test case 2)', () => {
  const digest = createKeyedHash(Buffer.from('Jefe')).digest('what do ya want for nothing?')
  expect(Buffer.from(digest, 'base64url').toString('hex')).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  )
})

test('is the same as node:crypto for any key, text and bytes, also past the scratch', () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 64 })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.integer({ min: 65_000, max: 66_500 }).map(length => new Uint8Array(length).fill(7)),
  )
  fc.assert(
    fc.property(key, fc.string({ unit: 'grapheme' }), bytes, (secret, text, body) => {
      const keyed = createKeyedHash(secret)
      const expected = createHmac('sha256', secret).update(text).update(body).digest('base64url')
      expect(keyed.digest(text, body)).toBe(expected)
      // The scratch of the message before leaves nothing behind.
      expect(keyed.digest(text)).toBe(createHmac('sha256', secret).update(text).digest('base64url'))
    }),
  )
})
