import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { codingsOf, decodeContent } from '../../src/fingerprint/content-coding.ts'

/** The decoded text, or why there is none. */
function decoded(contentEncoding: string, body: Uint8Array): string {
  const decoding = decodeContent(codingsOf(contentEncoding), body)
  return decoding.kind === 'decoded' ? Buffer.from(decoding.bytes).toString() : decoding.reason
}

const text = Buffer.from('{"a": 1}')

describe('a body is decoded', () => {
  test.each([
    ['', text],
    ['identity', text],
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    [' GZip ', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['identity,deflate,,x-gzip , identity', gzipSync(deflateSync(text))],
    ['gzip, gzip, gzip, gzip', gzipSync(gzipSync(gzipSync(gzipSync(text))))],
    ['gzip', Buffer.concat([gzipSync('{"a":'), gzipSync(' 1}')])],
  ])('%s', (contentEncoding, body) => expect(decoded(contentEncoding, body)).toBe('{"a": 1}'))
})

describe('only as a whole', () => {
  const encoders = [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ] as const
  test.each(encoders)('%s', (coding, encode) => {
    const whole = encode(text)
    const broken = `the body is not one whole ${coding} stream`
    expect(decoded(coding, whole.subarray(0, -1))).toBe(broken)
    expect(decoded(coding, Buffer.concat([whole, Buffer.from('more')]))).toBe(broken)
    expect(decoded(coding, Buffer.concat([whole, Buffer.alloc(4)]))).toBe(broken)
    expect(decoded(coding, Buffer.alloc(0))).toBe(broken)
    expect(decoded(coding, text)).toBe(broken)
  })

  test('a checksum that is wrong', () => {
    const body = gzipSync(text)
    body.writeUInt8(body.readUInt8(body.byteLength - 8) ^ 1, body.byteLength - 8)
    expect(decoded('gzip', body)).toBe('the body is not one whole gzip stream')
  })

  test('codings that are not known, in the wrong order, or too many', () => {
    expect(decoded('zstd', text)).toBe('it names a coding that is not decoded here')
    expect(decoded('gzip, zstd', gzipSync(text))).toBe('it names a coding that is not decoded here')
    expect(decoded('br, gzip', brotliCompressSync(gzipSync(text)))).toBe('the body is not one whole gzip stream')
    expect(decoded('gzip,gzip,gzip,gzip,gzip', text)).toBe('5 codings > 4 (MAX_CODINGS)')
  })
})

describe('a zip bomb costs no more than the bound', () => {
  const tooLarge = 'more than 33554432 bytes decoded (MAX_DECODED_BYTES)'
  const zeros = gzipSync(Buffer.alloc(33_554_433))

  test('at the bound, and one byte past it', () => {
    const decoding = decodeContent(['gzip'], gzipSync(Buffer.alloc(33_554_432)))
    expect(decoding.kind === 'decoded' && decoding.bytes.byteLength).toBe(33_554_432)
    expect(decoded('gzip', zeros)).toBe(tooLarge)
    expect(decoded('deflate', deflateSync(Buffer.alloc(33_554_433)))).toBe(tooLarge)
    expect(decoded('deflate', deflateRawSync(Buffer.alloc(33_554_433)))).toBe(tooLarge)
    expect(decoded('br', brotliCompressSync(Buffer.alloc(33_554_433)))).toBe(tooLarge)
  })

  test('a bomb in a bomb', () => expect(decoded('gzip, gzip', gzipSync(zeros))).toBe(tooLarge))

  test('however large it is: a bomb of 1 GiB takes no memory past the bound', () => {
    const member = gzipSync(Buffer.alloc(33_554_432))
    const bomb = Buffer.concat(Array<Buffer>(32).fill(member))
    const before = process.memoryUsage().arrayBuffers
    expect(decoded('gzip', bomb)).toBe(tooLarge)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100_000_000)
  })
})
