import { pause } from '../engine/clock.ts'
import { delayMs } from '../engine/delay.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { headerNames } from '../protocol/headers.ts'
import { readNetworkFailure } from '../protocol/network-error.ts'
import type { AttemptEvent, NextStep } from './events.ts'
import { beginExchange, type Exchange, timedOut } from './exchange.ts'
import type { FetchRules } from './options.ts'
import type { Outgoing } from './outgoing.ts'
import { PieceReader } from './piece-reader.ts'

/** A stream whose connection may break. */
export interface StreamTerms {
  readonly rules: FetchRules
  readonly outgoing: Outgoing
  /** Of the stream and its generation, as the server told it. */
  readonly id: string
  readonly signal: AbortSignal | undefined
  readonly tell: (event: Pick<AttemptEvent, 'attempt' | 'outcome' | 'next'>) => void
}

/** Where a stream broke. */
export interface Break {
  /** Bytes that were read of it. */
  readonly offsetBytes: number
  /** Attempts to resume it since bytes last came. */
  readonly attempts: number
  /** How often it has gone on already. */
  readonly resumes: number
  readonly error: unknown
}

/** The rest of the stream, and how many attempts it took. */
export interface Resumption {
  readonly exchange: Exchange
  readonly attempts: number
}

type Step =
  | { readonly kind: 'resumed'; readonly exchange: Exchange }
  | { readonly kind: 'over'; readonly error: unknown }
  | { readonly kind: 'again'; readonly headers: Headers | undefined }

/** Longest wait for the head of a rest: that is there as soon as the server knows the stream. */
const headMs = 30_000
/** Longest description of a problem that is read. */
const problemBytes = 65_536
/** What belongs to the body that is not sent. */
const bodyHeaders = ['content-type', 'content-length', 'content-encoding', 'transfer-encoding', 'expect']

/**
 * Asks for the rest of a broken stream: of the same generation, or not at all.
 *
 * Rejects with what broke it where the server cannot say, with `STREAM_SUPERSEDED`, `STREAM_UNKNOWN` or `OFFSET_INVALID`
 * where it does.
 */
export async function resumeStream(terms: StreamTerms, broke: Break): Promise<Resumption> {
  const { rules, signal } = terms
  const { timers } = rules.surroundings
  let { attempts } = broke
  if (attempts >= rules.retries) throw broke.error
  // The first costs nothing, and comes at once: it saves what was paid for.
  if (broke.resumes > 0 && rules.budget?.withdraw() === false) throw broke.error
  if (attempts > 0) await pause(timers, delayMs(rules, attempts, undefined), signal)
  for (;;) {
    attempts += 1
    if (signal?.aborted) throw signal.reason
    const { outcome, step } = await ask(terms, broke)
    const next = nextAfter(rules, attempts, step)
    terms.tell({ attempt: attempts, outcome, next })
    if (step.kind === 'resumed') return { exchange: step.exchange, attempts }
    if (next.kind === 'done') throw step.kind === 'over' ? step.error : broke.error
    await pause(timers, next.delayMs, signal)
  }
}

function nextAfter(rules: FetchRules, attempts: number, step: Step): NextStep {
  if (step.kind !== 'again') return { kind: 'done', reason: 'final' }
  if (attempts >= rules.retries) return { kind: 'done', reason: 'retries' }
  if (rules.budget?.withdraw() === false) return { kind: 'done', reason: 'budget' }
  return { kind: 'retry', delayMs: delayMs(rules, attempts, step.headers) }
}

async function ask(terms: StreamTerms, broke: Break): Promise<{ outcome: AttemptEvent['outcome']; step: Step }> {
  const { rules, outgoing, id, signal } = terms
  const url = urlOf(rules, outgoing, id, broke.offsetBytes)
  const headers = new Headers(outgoing.headers)
  for (const name of [...bodyHeaders, rules.keyHeader]) headers.delete(name)
  const request = (current: AbortSignal): readonly [URL, RequestInit] => outgoing.ask(url, headers, current)
  const limit = 'to the head of the rest of a stream'
  try {
    const exchange = await beginExchange({
      rules,
      request,
      signal,
      headMs: Math.min(headMs, rules.headTimeoutMs),
      limit,
    })
    const step = await readAnswer(rules, exchange, id, broke)
    if (step.kind !== 'resumed') exchange.close()
    return { outcome: { kind: 'answered', status: exchange.response.status }, step }
  } catch (error) {
    const failure = readNetworkFailure(error)
    const isOver = failure === 'never' || signal?.aborted === true
    const step: Step = isOver ? { kind: 'over', error: broke.error } : { kind: 'again', headers: undefined }
    return { outcome: { kind: 'failed', error, sent: failure === 'sent' }, step }
  }
}

function urlOf({ streamsUrl }: FetchRules, { url }: Outgoing, id: string, offsetBytes: number): URL {
  const at = new URL(id, new URL(streamsUrl, url.origin))
  at.searchParams.set('offset', String(offsetBytes))
  // A credential too: the stream is its tenant's.
  for (const key of url.searchParams.getAll('key')) at.searchParams.append('key', key)
  return at
}

async function readAnswer(rules: FetchRules, exchange: Exchange, id: string, broke: Break): Promise<Step> {
  const { response } = exchange
  const { status, headers, ok } = response
  if (ok && status !== 204 && headers.get(headerNames.stream) === id) return { kind: 'resumed', exchange }
  const pieces = new PieceReader(exchange, rules)
  const isOurs = (headers.get('content-type') ?? '').startsWith('application/problem+json')
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    pieces.discard()
    return headers.get('x-should-retry') === 'false' ? { kind: 'over', error: broke.error } : { kind: 'again', headers }
  }
  const code = isOurs ? await codeIn(rules, pieces) : undefined
  switch (code) {
    case 'STREAM_SUPERSEDED':
      return over(code, 'a newer run has begun: what came so far is not its beginning', broke)
    case 'STREAM_UNKNOWN':
      return over(code, 'the run broke off, or its record is gone', broke)
    case 'OFFSET_INVALID':
      return over(code, 'the stream is shorter than what came of it', broke)
    default:
      pieces.discard()
      return { kind: 'over', error: broke.error }
  }
}

function over(code: 'STREAM_SUPERSEDED' | 'STREAM_UNKNOWN' | 'OFFSET_INVALID', why: string, broke: Break): Step {
  const message = `the stream broke after ${broke.offsetBytes} bytes and cannot be resumed: ${why}; call again with the same key`
  return { kind: 'over', error: new RetrysafeError(code, message, { cause: broke.error }) }
}

/** `undefined` also where it does not end, in bytes or in time. */
async function codeIn({ surroundings }: FetchRules, pieces: PieceReader): Promise<unknown> {
  const limit = 'to the end of a problem'
  const timer = surroundings.timers.after(headMs, () => pieces.cancel(timedOut(headMs, limit)))
  try {
    const problem: unknown = JSON.parse(await textOf(pieces))
    return typeof problem === 'object' && problem !== null ? Reflect.get(problem, 'code') : undefined
  } catch {
    return undefined
  } finally {
    timer.cancel()
  }
}

async function textOf(pieces: PieceReader): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let lengthBytes = 0
  while (lengthBytes <= problemBytes) {
    const piece = await pieces.next()
    if (piece.kind === 'end') return text + decoder.decode()
    if (piece.kind === 'broken') throw piece.error
    lengthBytes += piece.bytes.byteLength
    text += decoder.decode(piece.bytes, { stream: true })
  }
  throw new Error(`the problem is over ${problemBytes} bytes`)
}
