import type { Surroundings } from '../engine/clock.ts'
import { type AnswerHeaders, askedMs } from '../engine/delay.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { readNetworkFailure } from '../protocol/network-error.ts'
import { isProblemCode, problemKinds } from '../protocol/problem.ts'
import { isUnanswered } from '../protocol/unanswered.ts'
import { isWorthRetrying } from '../protocol/worth-retrying.ts'

/** What a failed try says of the item, and of everybody. */
export type TryVerdict =
  /** A whole answer that would be the same at every try; `free`: the key is free again, for a better one some day. */
  | { readonly kind: 'final'; readonly end: 'free' | 'failed' }
  /** Too much is asked of the other side; not of this item. */
  | { readonly kind: 'throttled'; readonly retryAfterMs: number | undefined }
  /** Nobody was there to take it: it was not sent. */
  | { readonly kind: 'unreachable' }
  /** A gateway of ours is there, and nobody behind it. */
  | { readonly kind: 'deserted' }
  /** A gateway of ours has it at work from an earlier send, and waits for nobody. */
  | { readonly kind: 'at work'; readonly retryAfterMs: number | undefined }
  /** Another whole answer, that may be a better one soon. */
  | { readonly kind: 'failing'; readonly retryAfterMs: number | undefined; readonly isAlive: boolean }
  /** It was sent and nobody answered: it may have run. */
  | { readonly kind: 'ambiguous'; readonly mayRetry: boolean }
  /** Something of our own: nobody knows how far it had come, and it would be the same again. */
  | { readonly kind: 'fault' }

/** An answer, as far as it is known of what `send` threw: SDKs say it in several ways. */
interface ThrownAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  /** Of a RetrysafeError, which has no headers. */
  readonly retryAfterMs?: number | undefined
}

const throttles: ReadonlySet<number> = new Set([429, 529])

/** Codes of a connection that broke, of undici, of Node's HTTP, of Bun; and the command's own for a body that was cut. */
const networkCode =
  /^(E(CONN|PIPE$|TIMEDOUT$|HOST|NET|AI_|ADDRNOTAVAIL$|PROTO$|NOTFOUND$|SOCKET)|UND_ERR_|HPE_|Connection|FailedToOpen|ERR_(HTTP2|STREAM_PREMATURE_CLOSE$|SOCKET|SSL|TLS|CANCELED)|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ANSWER_INCOMPLETE$)/
/** As `fetch` says it, where it says it without a code. */
const networkMessage = /^(fetch failed|terminated|network error|load failed|failed to fetch|other side closed)/i
/** Of the SDKs of providers; what a signal with a time limit throws; and undici's for what is no HTTP, often without a code. */
const networkName =
  /^(HTTPParserError|API(Connection(Timeout)?|UserAbort)Error|AbortError|TimeoutError|ConnectTimeoutError)$/

const longestChain = 8

/** Reads what `send` threw. */
export function judgeThrown(error: unknown, surroundings: Surroundings): TryVerdict {
  if (memberOf(error, 'notSent') === true) return { kind: 'unreachable' }
  const answer = answerIn(error)
  if (answer?.status === 502 && isProblem(error, 'UPSTREAM_UNREACHABLE')) return { kind: 'deserted' }
  if (answer?.status === 409 && isProblem(error, 'IN_FLIGHT'))
    return { kind: 'at work', retryAfterMs: answer.retryAfterMs ?? askedMs(answer.headers, surroundings) }
  if (answer !== undefined) return judgeAnswer(answer, isRefusedInside(error, answer.status), surroundings)
  if (!isNetworkError(error)) return { kind: 'fault' }
  switch (readNetworkFailure(error)) {
    case 'not sent':
      return { kind: 'unreachable' }
    case 'never':
      return { kind: 'final', end: 'free' }
    case 'sent':
      return { kind: 'ambiguous', mayRetry: true }
  }
}

function judgeAnswer(answer: ThrownAnswer, isInside: boolean, surroundings: Surroundings): TryVerdict {
  const { status, headers } = answer
  const shouldRetry = headers.get('x-should-retry')
  const retryAfterMs = answer.retryAfterMs ?? askedMs(headers, surroundings)
  const isWorth = isInside || isWorthRetrying(status, shouldRetry)
  // It had its effect, and its answer is gone.
  if (status < 300 && !isInside) return { kind: 'fault' }
  if (isUnanswered(status) && shouldRetry !== 'true') return { kind: 'ambiguous', mayRetry: isWorth }
  if (!isWorth) return { kind: 'final', end: isRefusal(status) ? 'free' : 'failed' }
  if (throttles.has(status) || (status === 503 && retryAfterMs !== undefined))
    return { kind: 'throttled', retryAfterMs }
  return { kind: 'failing', retryAfterMs, isAlive: status < 500 }
}

/** By the table of ends: a complete 4xx that is not worth a retry. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 425 && status !== 429
}

/** A success that says in its body that it is none. */
function isRefusedInside(error: unknown, status: number): boolean {
  return status >= 200 && status < 300 && memberOf(error, 'name') === 'BatchRefusal'
}

/**
 * A problem of a gateway: that it reached nobody, or was cut off (how often by one item, it counts itself); or another.
 * As SDKs give a body that came with an error: parsed in part or whole, or as text.
 */
function isProblem(error: unknown, code: 'UPSTREAM_UNREACHABLE' | 'IN_FLIGHT'): boolean {
  const inner = memberOf(error, 'error')
  const codes = [memberOf(error, 'code'), memberOf(inner, 'code'), memberOf(memberOf(inner, 'error'), 'code')]
  if (codes.includes(code)) return true
  const head = `{"type":"urn:retrysafe:problem:${code.toLowerCase().replace('_', '-')}"`
  return [memberOf(error, 'body'), memberOf(error, 'responseBody')].some(
    body => typeof body === 'string' && body.startsWith(head),
  )
}

function answerIn(error: unknown): ThrownAnswer | undefined {
  if (error instanceof RetrysafeError) return answerOfOurs(error)
  const status = [memberOf(error, 'status'), memberOf(error, 'statusCode')].find(isStatus)
  if (status === undefined) return undefined
  const headers = [memberOf(error, 'headers'), memberOf(error, 'responseHeaders')].find(given => isObject(given))
  return { status, headers: readHeaders(headers) }
}

/** A call of Retrysafe's own within `send`: it says in code what it would say over the wire. */
function answerOfOurs({ code, retryAfterMs }: RetrysafeError): ThrownAnswer | undefined {
  if (!isProblemCode(code)) return undefined
  const kind: { status: number; shouldRetry?: boolean } = problemKinds[code]
  return { status: kind.status, headers: readHeaders({ 'x-should-retry': String(kind.shouldRetry) }), retryAfterMs }
}

function isStatus(given: unknown): given is number {
  return typeof given === 'number' && Number.isInteger(given) && given >= 100 && given <= 599
}

/** `Headers`, or an object of them with names in any case. */
function readHeaders(given: unknown): AnswerHeaders {
  if (!isObject(given)) return { get: () => null }
  const get: unknown = Reflect.get(given, 'get')
  const read = typeof get === 'function' ? (name: string): unknown => get.call(given, name) : recordReader(given)
  return {
    get(name) {
      const value = read(name)
      return typeof value === 'string' ? value : null
    },
  }
}

function recordReader(record: object): (name: string) => unknown {
  return name => Object.entries(record).find(([given]) => given.toLowerCase() === name)?.[1]
}

/** Whether it comes from a request that was on its way, and not from a mistake in what makes it. */
function isNetworkError(error: unknown): boolean {
  let at = error
  for (let depth = 0; depth < longestChain && isObject(at); depth++) {
    if (isNetworkErrorItself(at)) return true
    const errors: unknown = Reflect.get(at, 'errors')
    if (Array.isArray(errors) && errors.slice(0, longestChain).some(isNetworkErrorItself)) return true
    at = Reflect.get(at, 'cause')
  }
  return false
}

function isNetworkErrorItself(error: unknown): boolean {
  const [code, name, message] = [memberOf(error, 'code'), memberOf(error, 'name'), memberOf(error, 'message')]
  if (typeof code === 'string' && networkCode.test(code)) return true
  const constructed = isObject(error) ? error.constructor?.name : undefined
  if ([name, constructed].some(given => typeof given === 'string' && networkName.test(given))) return true
  return error instanceof TypeError && typeof message === 'string' && networkMessage.test(message)
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) ? Reflect.get(value, name) : undefined
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
