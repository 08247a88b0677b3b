import { type BodyForm, type BodyInput, type CanonicalBody, canonicalBody } from './canonical-body.ts'
import { canonicalParameters, type HeaderParameter, lengthPrefixed } from './header-parameters.ts'
import type { KeyedHash } from './keyed-hash.ts'
import { canonicalQuery } from './query.ts'

declare const fingerprintMark: unique symbol

/** What a request asks for, as an HMAC: a version character and 43 base64url characters. Tells nothing of the request. */
export type Fingerprint = string & { [fingerprintMark]: true }

/** Everything of a request that makes it another request when it changes. */
export interface FingerprintInput extends BodyInput {
  readonly method: string
  /** Without query. */
  readonly path: string
  /** As sent, without `?`; credentials in it do not count. */
  readonly query: string
  /** The headers that count (versions, betas, organisation), as `name: value`, in any fixed order. */
  readonly headers: readonly string[]
}

/** Raised with every change of what `canonical` or `raw` mean. */
const version = '2'
const parsedVersion = 'p'

/** The bytes as sent, plus what counts of the head. Equal raw fingerprints are the same request. One hash. */
export function rawFingerprint(key: KeyedHash, input: FingerprintInput): Fingerprint {
  return finish(key.digest(`raw ${headOf(input)}${typeAsSent(input)}`, input.body))
}

/**
 * A request whose bytes are gone: a parser of somebody else's took them, and left a value. Equals no other fingerprint.
 *
 * @param input its `body` is the value's canonical JSON
 */
export function parsedFingerprint(key: KeyedHash, input: FingerprintInput): Fingerprint {
  return (parsedVersion + key.digest(`parsed ${headOf(input)}`, input.body)) as Fingerprint
}

/**
 * The request as meant. Equal canonical fingerprints are the same request, however it was spelled: JSON by value,
 * multipart part by part, forms by their pairs, all of them decoded. A body that is not what it claims to be counts by
 * its bytes as sent, and equals none that is.
 *
 * @param body what `canonicalBody` says of the input, where that is known already
 */
export function canonicalFingerprint(
  key: KeyedHash,
  input: FingerprintInput,
  body: CanonicalBody = canonicalBody(input),
): Fingerprint {
  if (body.kind === 'as sent') return finish(key.digest(`as sent ${headOf(input)}${typeAsSent(input)}`, input.body))
  const parameters = canonicalParameters(input.parameters ?? '', parameter => isMeaningless(parameter, body.kind))
  return finish(key.digest(`canonical ${body.kind} ${headOf(input)}${lengthPrefixed(parameters)};`, body.digest))
}

/**
 * A boundary is new at every retry; JSON is UTF-8 also where nothing says so (RFC 8259 §8.1, §11). Another charset, which
 * some servers obey, counts; so does a second line of Content-Type, which stands behind the first one's last value.
 */
function isMeaningless({ name, value }: HeaderParameter, form: BodyForm): boolean {
  switch (form) {
    case 'json':
      return name === 'charset' && /^utf-?8$/i.test(value)
    case 'multipart':
      return name === 'boundary'
    case 'form':
    case 'bytes':
      return false
  }
}

function headOf({ method, path, query, mediaType, headers }: FingerprintInput): string {
  let text = ''
  for (const field of [method, path, canonicalQuery(query), mediaType]) text += lengthPrefixed(field)
  text += `${headers.length};`
  for (const header of headers) text += lengthPrefixed(header)
  return text
}

/** How the bytes are to be read: the same bytes with another boundary, or another coding, are another body. */
function typeAsSent({ parameters, contentEncoding }: FingerprintInput): string {
  return `${lengthPrefixed(parameters ?? '')}${lengthPrefixed(contentEncoding)};`
}

function finish(digest: string): Fingerprint {
  return (version + digest) as Fingerprint
}
