import { RetrysafeError } from '../engine/errors.ts'
import { onAbort } from './abort.ts'
import { weakly, whenForgotten } from './forgotten.ts'
import type { FetchRules } from './options.ts'
import type { Outgoing } from './outgoing.ts'

/** An answer that has begun, and the connection it comes over. */
export interface Exchange {
  readonly response: Response
  /** Fires when it was ended, by `abort` or because the caller has left. */
  readonly signal: AbortSignal
  /** Ends it, also while its body is being read. */
  abort(reason: unknown): void
  /** Nothing more will be read: the caller's signal is not listened to any more. */
  close(): void
}

export interface ExchangeTerms {
  readonly rules: FetchRules
  /** Makes the request. */
  readonly request: Outgoing['request']
  readonly signal: AbortSignal | undefined
  /** How long the head may take. */
  readonly headMs: number
  /** What it is called that is then over. */
  readonly limit: string
}

/** Sends one request. Rejects as the platform's `fetch` does, or with `UPSTREAM_TIMEOUT`. */
export async function beginExchange({ rules, request, signal, headMs, limit }: ExchangeTerms): Promise<Exchange> {
  const { abort, close, ...link } = linkTo(signal)
  const timer = rules.surroundings.timers.after(headMs, () => abort(timedOut(headMs, limit)))
  try {
    const send = rules.fetch
    const response = await untilAborted(send(...request(link.signal)), link.signal, discard)
    return { response, signal: link.signal, abort, close }
  } catch (error) {
    close()
    throw link.signal.aborted ? link.signal.reason : error
  } finally {
    timer.cancel()
  }
}

/**
 * A signal that fires when the caller's does, until it is closed. A caller's signal may live as long as the process, and
 * an answer be dropped unread: it does not keep it.
 */
export function linkTo(caller: AbortSignal | undefined): Omit<Exchange, 'response'> {
  const controller = new AbortController()
  const close = caller === undefined ? () => {} : follow(caller, weakly(controller))
  whenForgotten(controller, close)
  if (caller?.aborted) controller.abort(caller.reason)
  return {
    signal: controller.signal,
    abort: reason => controller.abort(reason),
    close,
  }
}

function follow(caller: AbortSignal, follower: () => AbortController | undefined): () => void {
  return onAbort(caller, () => follower()?.abort(caller.reason))
}

/** The SDKs know a time-out by these words. */
export function timedOut(afterMs: number, limit: string): RetrysafeError {
  return new RetrysafeError('UPSTREAM_TIMEOUT', `timed out after ${afterMs} ms (${limit})`)
}

/** Also where whoever answers does not look at the signal: what comes after that is `late`. */
export function untilAborted<Answer>(
  answering: Promise<Answer>,
  signal: AbortSignal,
  late: (answer: Answer) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason)
    const over = onAbort(signal, stop)
    if (signal.aborted) stop()
    const answered = answering.then(
      answer => {
        over()
        if (signal.aborted) late(answer)
        else resolve(answer)
      },
      error => {
        over()
        reject(error)
      },
    )
    // What came late was perhaps no answer at all.
    answered.catch(() => {})
  })
}

/** What came too late for anybody to read it. */
export function discard(response: Response): void {
  if (response.body === null || response.bodyUsed) return
  response.body.cancel().catch(() => {})
}
