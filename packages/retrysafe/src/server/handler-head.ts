import { codingsOf } from '../fingerprint/content-coding.ts'
import { headerNames } from '../protocol/headers.ts'
import type { AnswerHead } from './answer-head.ts'
import { headerNameOf } from './header-names.ts'
import { mediaTypeOf } from './request-head.ts'

/** The head of a handler's answer. */
export interface HandlerHead extends AnswerHead {
  /** Lower case; `undefined`: none. */
  readonly contentEncoding: string | undefined
}

/**
 * Reads the head of a handler's answer.
 *
 * @param status 200 to 599
 * @param headers names and values in turn
 * @param isOuter whether a header was there before the handler: it is no part of the outcome, and set anew for a replay
 */
export function readHandlerHead(
  status: number,
  headers: readonly string[],
  isOuter: (name: string, value: string) => boolean = () => false,
): HandlerHead {
  const shown: string[] = []
  const replayable: string[] = []
  const values = new Map<string, string>()
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [rawName = '', value = ''] = [headers[at], headers[at + 1]]
    const { name, hopByHop, ours, replayable: isKept } = headerNameOf(rawName)
    if (!values.has(name)) values.set(name, value)
    if (hopByHop || ours || name === 'content-length' || name === headerNames.age) continue
    shown.push(rawName, value)
    if (isKept && !isOuter(name, value)) replayable.push(rawName, value)
  }
  const isBodiless = status === 204 || status === 304
  const length = values.get('content-length')
  const announced = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
  const codings = codingsOf((values.get('content-encoding') ?? '').toLowerCase())
  return {
    status,
    headers: shown,
    replayable,
    mediaType: mediaTypeOf(values.get('content-type')),
    contentEncoding: codings.length === 0 ? undefined : codings.join(', '),
    contentLength: isBodiless ? 0 : announced,
    // Its end is said by a call, not by a connection.
    endsByClose: false,
    retryAfter: { retryAfter: values.get('retry-after'), retryAfterMs: values.get('retry-after-ms') },
  }
}

/** The same head for the body decoded: neither its encoding nor its length holds any more. */
export function withoutEncoding(head: HandlerHead): HandlerHead {
  const headers = head.headers.filter((_, at) => (head.headers[at & ~1] ?? '').toLowerCase() !== 'content-encoding')
  return { ...head, headers, contentEncoding: undefined, contentLength: undefined }
}
