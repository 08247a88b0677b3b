import { canonicalJson } from './json.ts'
import type { KeyedHash } from './keyed-hash.ts'
import { sortedQuery } from './query.ts'

declare const fingerprintMark: unique symbol

/** What a request asks for, as an HMAC: a version character and 43 base64url characters. Tells nothing of the request. */
export type Fingerprint = string & { [fingerprintMark]: true }

/** Everything of a request that makes it another request when it changes. */
export interface FingerprintInput {
  readonly method: string
  /** Without query. */
  readonly path: string
  /** As sent, without `?`; credentials in it do not count. */
  readonly query: string
  /** The headers that count (versions, betas, organisation), as `name: value`, in any fixed order. */
  readonly headers: readonly string[]
  /** The media type without parameters, lower case: a multipart boundary is new at every retry. */
  readonly mediaType: string
  readonly contentEncoding: string
  readonly body: Uint8Array
}

/** Raised with every change of what `canonical` or `raw` mean. */
const version = '1'

/** The bytes as sent, plus what counts of the head. Equal raw fingerprints are the same request. */
export function rawFingerprint(key: KeyedHash, input: FingerprintInput): Fingerprint {
  return finish(key.digest(`raw ${headOf(input)}`, input.body))
}

/**
 * The request as meant: JSON in its lossless canonical form. What claims to be JSON and is none counts by its bytes.
 * Equal canonical fingerprints are the same request, however it was spelled.
 */
export function canonicalFingerprint(key: KeyedHash, input: FingerprintInput): Fingerprint {
  const json = isJson(input) ? canonicalJson(input.body) : undefined
  if (json?.kind === 'canonical') return finish(key.digest(`canonical json ${headOf(input)}`, json.bytes))
  return finish(key.digest(`canonical bytes ${headOf(input)}`, input.body))
}

function isJson(input: FingerprintInput): boolean {
  const { mediaType } = input
  return input.contentEncoding === '' && (mediaType === 'application/json' || mediaType.endsWith('+json'))
}

/** Length-prefixed, so that no field can spill into the next. */
function headOf({ method, path, query, mediaType, contentEncoding, headers }: FingerprintInput): string {
  let text = ''
  for (const field of [method, path, sortedQuery(query), mediaType, contentEncoding]) text += `${field.length}:${field}`
  for (const header of headers) text += `${header.length}:${header}`
  return `${text};`
}

function finish(digest: string): Fingerprint {
  return (version + digest) as Fingerprint
}
