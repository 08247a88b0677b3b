import { pause } from '../engine/clock.ts'
import { headerNames } from '../protocol/headers.ts'
import { readNetworkFailure } from '../protocol/network-error.ts'
import { answerBody, type Resumed } from './answer-body.ts'
import type { CallKey } from './call-key.ts'
import type { AttemptEvent, FetchCounts } from './events.ts'
import { beginExchange, type Exchange, linkTo, timedOut } from './exchange.ts'
import { isFromElsewhere, type KnownHosts } from './known-hosts.ts'
import type { FetchRules } from './options.ts'
import type { Outgoing } from './outgoing.ts'
import { PieceReader } from './piece-reader.ts'
import { takePlain } from './plain-answer.ts'
import { type Break, resumeStream } from './resume.ts'
import { judge } from './verdict.ts'
import { tellListener } from './warning.ts'

/** What the calls of one client share. */
export interface Client {
  readonly rules: FetchRules
  readonly hosts: KnownHosts
  readonly counts: { -readonly [Name in keyof FetchCounts]: FetchCounts[Name] }
}

/** A call that is about to be made. */
export interface CallTerms {
  readonly client: Client
  readonly outgoing: Outgoing
  readonly key: CallKey | undefined
  /** Fires when nobody waits for its answer any more. */
  readonly signal: AbortSignal | undefined
}

type Attempt = { kind: 'answered'; response: Response; pieces: PieceReader } | { kind: 'failed'; error: unknown }
type Told = Pick<AttemptEvent, 'kind' | 'attempt' | 'outcome' | 'ambiguous' | 'next'>

/** RFC 9110 §9.2.2: more than one is as one. */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** Makes the call, in as many attempts as it takes; rejects with what the last one came to. */
export async function runCall(call: CallTerms): Promise<Response> {
  const { client, outgoing, key, signal } = call
  const { rules, hosts, counts } = client
  const { clock, timers } = rules.surroundings
  const endsAtMs = clock.monotonicMs() + rules.deadlineMs
  let ambiguousBefore = 0
  rules.budget?.deposit()
  for (let attempt = 1; ; attempt++) {
    if (signal?.aborted) throw signal.reason
    counts.attempts += 1
    const made = await attemptOnce(call, endsAtMs)
    if (signal?.aborted) return leave(call, attempt, made)
    if (made.kind === 'answered' && key !== undefined) hosts.learn(outgoing.url, made.response)
    const isSafe = idempotentMethods.has(outgoing.method) || (key !== undefined && hosts.honours(outgoing.url))
    const leftMs = endsAtMs - clock.monotonicMs()
    const verdict = judge(rules, { attempt, ambiguousBefore, isSafe, leftMs }, made)
    if (verdict.ambiguous) {
      counts.ambiguous += 1
      ambiguousBefore += 1
    }
    tell(call, { kind: 'call', attempt, outcome: outcomeOf(made), ...verdict })
    if (verdict.next.kind === 'done') {
      if (made.kind === 'failed') throw made.error
      return deliver(call, made.pieces, rules.resume ? streamIdOf(made.response, outgoing) : undefined)
    }
    if (made.kind === 'answered') made.pieces.discard()
    const link = linkTo(signal)
    await pause(timers, verdict.next.delayMs, link.signal)
    link.close()
  }
}

async function attemptOnce({ client, outgoing, signal }: CallTerms, endsAtMs: number): Promise<Attempt> {
  const { rules } = client
  const leftMs = endsAtMs - rules.surroundings.clock.monotonicMs()
  const { headTimeoutMs, deadlineMs } = rules
  const isLast = leftMs < headTimeoutMs
  const headMs = Math.max(0, isLast ? leftMs : headTimeoutMs)
  const limit = isLast ? `deadlineMs ${deadlineMs}` : 'headTimeoutMs'
  try {
    const exchange = await beginExchange({ rules, request: outgoing.request, signal, headMs, limit })
    const pieces = await untilDeadline(rules, endsAtMs, exchange, takePlain(rules, exchange))
    return { kind: 'answered', response: exchange.response, pieces }
  } catch (error) {
    return { kind: 'failed', error }
  }
}

/** What is taken in before the caller gets any of it counts as part of the attempt. */
async function untilDeadline<Taken>(
  { surroundings, deadlineMs }: FetchRules,
  endsAtMs: number,
  exchange: Exchange,
  taking: Promise<Taken>,
): Promise<Taken> {
  const { clock, timers } = surroundings
  const leftMs = Math.max(0, endsAtMs - clock.monotonicMs())
  const timer = timers.after(leftMs, () => exchange.abort(timedOut(deadlineMs, 'deadlineMs')))
  try {
    return await taking
  } finally {
    timer.cancel()
  }
}

/** The caller has left. */
function leave(call: CallTerms, attempt: number, made: Attempt): never {
  if (made.kind === 'answered') made.pieces.cancel(call.signal?.reason)
  const next = { kind: 'done', reason: 'aborted' } as const
  tell(call, { kind: 'call', attempt, outcome: outcomeOf(made), ambiguous: false, next })
  throw call.signal?.reason
}

/** What comes from another origin is not asked for there: the credentials are not meant for it. */
function streamIdOf(response: Response, outgoing: Outgoing): string | undefined {
  if (isFromElsewhere(response, outgoing.url)) return undefined
  const id = response.headers.get(headerNames.stream)
  return id !== null && /^[\w-]{1,512}$/.test(id) ? id : undefined
}

/**
 * The answer as the caller reads it.
 *
 * @param streamId what its rest can be asked for by, should it break
 */
export function deliver(call: CallTerms, pieces: PieceReader, streamId: string | undefined): Response {
  const { response } = pieces.exchange
  if (response.body === null) {
    pieces.exchange.close()
    return response
  }
  const body = answerBody({
    pieces,
    signal: call.signal,
    resume: streamId === undefined ? undefined : (broke, signal) => resumed({ ...call, signal }, streamId, broke),
  })
  return withBody(response, body, response.url || call.outgoing.url.href)
}

async function resumed(call: CallTerms, id: string, broke: Break): Promise<Resumed> {
  const { client, outgoing, signal } = call
  const { rules, counts } = client
  const { exchange, attempts } = await resumeStream(
    {
      rules,
      outgoing,
      id,
      signal,
      tell(event) {
        counts.resumes += 1
        tell(call, { kind: 'resume', ambiguous: false, ...event })
      },
    },
    broke,
  )
  return { pieces: new PieceReader(exchange, rules), attempts }
}

/** What only the platform can say of an answer it keeps. */
function withBody(response: Response, body: ReadableStream<Uint8Array>, url: string): Response {
  const { status, statusText, headers, redirected, type } = response
  // Servers send statuses above 599, and nobody else may make an answer with one.
  const made = new Response(body, { status: Math.min(status, 599), statusText, headers })
  for (const [name, value] of Object.entries({ status, url, redirected, type }))
    Object.defineProperty(made, name, { value })
  return made
}

function outcomeOf(made: Attempt): AttemptEvent['outcome'] {
  if (made.kind === 'answered') return { kind: 'answered', status: made.response.status }
  return { kind: 'failed', error: made.error, sent: readNetworkFailure(made.error) === 'sent' }
}

function tell({ client, outgoing, key }: CallTerms, told: Told): void {
  const { onAttempt } = client.rules
  const { origin, pathname } = outgoing.url
  if (onAttempt === undefined) return
  tellListener(onAttempt, { key: key?.key, method: outgoing.method, url: origin + pathname, ...told })
}
