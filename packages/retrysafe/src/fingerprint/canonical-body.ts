import { hash } from 'node:crypto'
import { codingsOf, decodeContent } from './content-coding.ts'
import { canonicalForm, isSpelledAsForm } from './form.ts'
import { canonicalJson } from './json.ts'
import { type LeaveOut, withoutMembers } from './leave-out.ts'
import { MultipartDigest, readBoundary } from './multipart.ts'

/** A body, and what says how it is to be read. */
export interface BodyInput {
  /** The media type without parameters, lower case. */
  readonly mediaType: string
  /** What follows it in Content-Type, as sent: `; boundary=x`. Default: nothing. */
  readonly parameters?: string
  /** As sent. */
  readonly contentEncoding: string
  readonly body: Uint8Array
  /** Members of JSON bodies that do not count. Default: none. */
  readonly leaveOut?: LeaveOut
}

/** How a body is read: `bytes` has no form of its own. */
export type BodyForm = 'json' | 'multipart' | 'form' | 'bytes'

/**
 * A body as meant: SHA-256 of its canonical form. `as sent`: it is not what it claims to be, or past a bound, so only its
 * bytes count, all of them; `reason` never quotes them.
 */
export type CanonicalBody = { kind: BodyForm; digest: Uint8Array } | { kind: 'as sent'; reason: string }

/** @param mediaType without parameters, lower case */
export function bodyForm(mediaType: string): BodyForm {
  if (mediaType === 'application/json' || mediaType.endsWith('+json') || mediaType === 'text/json') return 'json'
  if (mediaType.startsWith('multipart/')) return 'multipart'
  return mediaType === 'application/x-www-form-urlencoded' ? 'form' : 'bytes'
}

/**
 * Reads a body: decoded, and in the canonical form of its media type. Equal digests of one kind are the same body.
 *
 * @example
 * canonicalBody({ mediaType: 'application/json', contentEncoding: '', body: Buffer.from('{"a": 1.0}') })
 */
export function canonicalBody(input: BodyInput): CanonicalBody {
  const codings = codingsOf(input.contentEncoding)
  if (codings.length === 0) return readBody(input, input.body)
  const decoding = decodeContent(codings, input.body)
  if (decoding.kind === 'undecodable') return { kind: 'as sent', reason: `content-encoding: ${decoding.reason}` }
  return readBody(input, decoding.bytes)
}

function readBody({ mediaType, parameters, leaveOut }: BodyInput, body: Uint8Array): CanonicalBody {
  const kind = bodyForm(mediaType)
  switch (kind) {
    case 'json': {
      const json = canonicalJson(body)
      if (json.kind === 'invalid') return { kind: 'as sent', reason: `json: ${json.reason} (byte ${json.offsetBytes})` }
      return { kind, digest: sha256(leaveOut === undefined ? json.bytes : withoutMembers(json.bytes, leaveOut)) }
    }
    case 'multipart': {
      const boundary = readBoundary(parameters ?? '')
      if ('reason' in boundary) return { kind: 'as sent', reason: `multipart: ${boundary.reason}` }
      const multipart = new MultipartDigest(boundary.boundary)
      multipart.write(body)
      const parts = multipart.end()
      if (parts.kind === 'broken') return { kind: 'as sent', reason: `multipart: ${parts.reason}` }
      return { kind, digest: parts.digest }
    }
    case 'form': {
      if (!isSpelledAsForm(body)) return { kind: 'as sent', reason: `form: ${notSpelledAsForm}` }
      const form = canonicalForm(body)
      if (form.kind === 'invalid') return { kind: 'as sent', reason: `form: ${form.reason}` }
      return { kind, digest: sha256(form.bytes) }
    }
    case 'bytes':
      return { kind, digest: sha256(body) }
  }
}

const notSpelledAsForm = 'a byte stands in it that forms spell with a percent sign; is its content type right?'

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}
