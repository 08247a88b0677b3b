import { createHmac, type Hmac } from 'node:crypto'
import { canonicalJson } from './json.ts'
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
export function rawFingerprint(key: Uint8Array, input: FingerprintInput): Fingerprint {
  return finish(head(key, 'raw', input).update(input.body))
}

/**
 * The request as meant: JSON in its lossless canonical form. What claims to be JSON and is none counts by its bytes.
 * Equal canonical fingerprints are the same request, however it was spelled.
 */
export function canonicalFingerprint(key: Uint8Array, input: FingerprintInput): Fingerprint {
  const hmac = head(key, 'canonical', input)
  const json = isJson(input) ? canonicalJson(input.body) : undefined
  return finish(
    json?.kind === 'canonical' ? hmac.update('json ').update(json.bytes) : hmac.update('bytes ').update(input.body),
  )
}

function isJson(input: FingerprintInput): boolean {
  const { mediaType } = input
  return input.contentEncoding === '' && (mediaType === 'application/json' || mediaType.endsWith('+json'))
}

/** Length-prefixed, so that no field can spill into the next. */
function head(key: Uint8Array, form: 'raw' | 'canonical', input: FingerprintInput): Hmac {
  const fields = [form, input.method, input.path, sortedQuery(input.query), input.mediaType, input.contentEncoding]
  let text = ''
  for (const field of fields) text += `${field.length}:${field}`
  for (const header of input.headers) text += `${header.length}:${header}`
  return createHmac('sha256', key).update(`${text};`)
}

function finish(hmac: Hmac): Fingerprint {
  return (version + hmac.digest('base64url')) as Fingerprint
}
