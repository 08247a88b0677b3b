import type { IncomingHttpHeaders } from 'node:http'
import { codingsOf } from 'retrysafe/internal/fingerprint/content-coding'
import { connectionTokens, headerNames } from 'retrysafe/internal/protocol/headers'
import type { AnswerHead } from 'retrysafe/internal/server/answer-head'
import { headerNameOf } from 'retrysafe/internal/server/header-names'
import { mediaTypeOf } from 'retrysafe/internal/server/request-head'

/** All that the gateway needs of an upstream's answer head. */
export interface UpstreamHead extends AnswerHead {
  readonly contentEncoding: string | undefined
  /** Its status says that no body follows, whatever its headers announce. */
  readonly isBodiless: boolean
  /** Another than `chunked`: nobody here can take it off, and nobody behind us would know of it. */
  readonly unknownTransferCoding: string | undefined
}

export function readAnswerHead(
  status: number,
  rawHeaders: unknown,
  parsed: IncomingHttpHeaders,
  keepsOurs = false,
): UpstreamHead {
  const headers: string[] = []
  const replayable: string[] = []
  const dropped = connectionTokens(all(parsed.connection))
  const raw = Array.isArray(rawHeaders) ? rawHeaders : []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const rawName = text(raw[at])
    const value = text(raw[at + 1])
    const { name, hopByHop, ours, slot, replayable: isKept } = headerNameOf(rawName)
    // Without its type or encoding nobody could read the body: those go on, whatever `Connection` names.
    if (hopByHop || (ours && !keepsOurs) || (slot === -1 && dropped.has(name))) continue
    if (name === 'content-length' || (name === headerNames.age && !keepsOurs)) continue
    headers.push(rawName, value)
    if (isKept) replayable.push(rawName, value)
  }
  const transferCoding = all(parsed['transfer-encoding'])?.trim().toLowerCase()
  const isBodiless = status === 204 || status === 304
  const length = first(parsed['content-length'])
  const announced = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
  const contentLength = isBodiless ? 0 : announced
  return {
    status,
    headers,
    replayable,
    mediaType: mediaTypeOf(first(parsed['content-type'])),
    contentEncoding: contentLength === 0 ? undefined : encodingOf(all(parsed['content-encoding'])),
    contentLength,
    isBodiless,
    endsByClose: contentLength === undefined && transferCoding === undefined,
    unknownTransferCoding: transferCoding === 'chunked' ? undefined : transferCoding,
    retryAfter: { retryAfter: first(parsed['retry-after']), retryAfterMs: first(parsed['retry-after-ms']) },
  }
}

/** The same head for the body decoded: neither its encoding nor its length holds any more. */
export function decodedHead(head: UpstreamHead): UpstreamHead {
  const headers = head.headers.filter((_, at) => (head.headers[at & ~1] ?? '').toLowerCase() !== 'content-encoding')
  return { ...head, headers, contentEncoding: undefined, contentLength: undefined }
}

/** Lower case; absent for `identity`, which is none. */
function encodingOf(value: string | undefined): string | undefined {
  const codings = value === undefined ? [] : codingsOf(value)
  return codings.length === 0 ? undefined : codings.join(', ')
}

/** Header bytes as they are: Latin-1 keeps each of them. */
function text(bytes: unknown): string {
  return Buffer.isBuffer(bytes) ? bytes.toString('latin1') : String(bytes)
}

/** Several lines of one header are one list. */
function all(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
