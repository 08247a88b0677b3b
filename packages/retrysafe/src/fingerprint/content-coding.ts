import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'

/** `reason` never quotes the body. */
export type Decoding = { kind: 'decoded'; bytes: Uint8Array } | { kind: 'undecodable'; reason: string }

/** Bytes of a decoded body, and of each step on the way to it: 32 MiB. A zip bomb costs no more than that. */
export const MAX_DECODED_BYTES = 33_554_432
/** Codings on top of each other. */
export const MAX_CODINGS = 4

interface Decoded {
  readonly buffer: Uint8Array
  /** `bytesWritten`: how many bytes of the input belong to what was decoded. */
  readonly engine: { readonly bytesWritten: number }
}
type Decoder = (bytes: Uint8Array, options: { info: true; maxOutputLength: number }) => Decoded

// Node's types do not know that `info` changes the answer.
const inflate = inflateSync as unknown as Decoder
const inflateRaw = inflateRawSync as unknown as Decoder
const gunzip = gunzipSync as unknown as Decoder
const brotli = brotliDecompressSync as unknown as Decoder

/** RFC 9110 §8.4.1. What goes by `deflate` should be zlib's format, and is without its frame from many senders. */
const decoders: ReadonlyMap<string, readonly Decoder[]> = new Map([
  ['gzip', [gunzip]],
  ['x-gzip', [gunzip]],
  ['deflate', [inflate, inflateRaw]],
  ['br', [brotli]],
])

/** The codings that Content-Encoding names, in the order in which they were applied; `identity` is none. */
export function codingsOf(contentEncoding: string): string[] {
  if (contentEncoding === '') return []
  return contentEncoding
    .split(',')
    .map(coding => coding.trim().toLowerCase())
    .filter(coding => coding !== '' && coding !== 'identity')
}

/**
 * A body without its content codings. Only as a whole: what is cut, damaged, followed by other bytes, or larger than
 * `maxBytes` is `undecodable`.
 *
 * @param maxBytes default `MAX_DECODED_BYTES`
 * @example
 * decodeContent(codingsOf('gzip'), gzipSync('{}')) // { kind: 'decoded', bytes: '{}' }
 */
export function decodeContent(
  codings: readonly string[],
  body: Uint8Array,
  maxBytes: number = MAX_DECODED_BYTES,
): Decoding {
  if (codings.length > MAX_CODINGS) {
    return { kind: 'undecodable', reason: `${codings.length} codings > ${MAX_CODINGS} (MAX_CODINGS)` }
  }
  let bytes = body
  for (const coding of codings.toReversed()) {
    const candidates = decoders.get(coding)
    if (candidates === undefined) return { kind: 'undecodable', reason: 'it names a coding that is not decoded here' }
    const decoding = decodeWith(candidates, bytes, maxBytes)
    if (decoding === 'too large') {
      return { kind: 'undecodable', reason: `more than ${maxBytes} bytes decoded (MAX_DECODED_BYTES)` }
    }
    if (decoding === 'invalid') return { kind: 'undecodable', reason: `the body is not one whole ${coding} stream` }
    bytes = decoding
  }
  return { kind: 'decoded', bytes }
}

function decodeWith(
  candidates: readonly Decoder[],
  bytes: Uint8Array,
  maxOutputLength: number,
): Uint8Array | 'too large' | 'invalid' {
  for (const decode of candidates) {
    try {
      const { buffer, engine } = decode(bytes, { info: true, maxOutputLength })
      if (engine.bytesWritten === bytes.byteLength) return buffer
    } catch (error) {
      if (Reflect.get(Object(error), 'code') === 'ERR_BUFFER_TOO_LARGE') return 'too large'
    }
  }
  return 'invalid'
}
