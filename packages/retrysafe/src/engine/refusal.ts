import type { Problem } from '../protocol/problem.ts'

/** What a claim is told that gets neither a run nor an outcome. */
export type Refusal =
  | { code: 'KEY_REUSED' }
  | { code: 'OUTCOME_UNKNOWN'; attempt: number }
  | { code: 'RESULT_NOT_KEPT' }
  | { code: 'IN_FLIGHT'; retryAfterMs: number; reason: 'wait over' | 'too many waiters' | 'cooling' | 'failed again' }

/** When nothing better is known. */
export const retryAfterMs = 1_000

export function refused(refusal: Refusal): { kind: 'refused'; refusal: Refusal } {
  return { kind: 'refused', refusal }
}

type InFlightReason = Extract<Refusal, { code: 'IN_FLIGHT' }>['reason']

export function inFlight(
  reason: InFlightReason,
  afterMs: number = retryAfterMs,
): { kind: 'refused'; refusal: Refusal } {
  return refused({ code: 'IN_FLIGHT', reason, retryAfterMs: afterMs })
}

/** What the operator calls the options that a refusal speaks of. */
export interface OptionNames {
  readonly maxWaiters: string
  readonly maxResult: string
  /** What makes another payload under a used key another call, where there is such an option. */
  readonly fork?: string
}

/**
 * What the engine refused, in words for the caller.
 *
 * @param comparedAs why the body counts by its bytes as sent
 */
export function problemOf(refusal: Refusal, comparedAs: string | undefined, names: OptionNames): Problem {
  switch (refusal.code) {
    case 'KEY_REUSED': {
      const advice = 'Use a new key for a new request, and the same body for a retry.'
      const why = comparedAs === undefined ? '' : ` This body counts by its bytes as sent: ${comparedAs}.`
      const loop =
        names.fork === undefined ? '' : ` An agent loop that sends one key with every step wants ${names.fork}.`
      return { code: 'KEY_REUSED', detail: `This key was used with another payload. ${advice}${loop}${why}` }
    }
    case 'OUTCOME_UNKNOWN':
      return {
        code: 'OUTCOME_UNKNOWN',
        detail: `After ${refusal.attempt} attempt(s) it is not known whether the call had its effect; it is not repeated until an operator resolves the record.`,
      }
    case 'RESULT_NOT_KEPT':
      return {
        code: 'RESULT_NOT_KEPT',
        detail: `The call succeeded; its answer was larger than ${names.maxResult} and was not kept.`,
      }
    case 'IN_FLIGHT':
      return {
        code: 'IN_FLIGHT',
        detail: inFlightDetail(refusal.reason, names),
        retryAfterMs: refusal.retryAfterMs,
      }
  }
}

function inFlightDetail(
  reason: Extract<Refusal, { code: 'IN_FLIGHT' }>['reason'],
  { maxWaiters }: OptionNames,
): string {
  switch (reason) {
    case 'wait over':
      return 'The first run is still going; come again.'
    case 'too many waiters':
      return `The first run is still going, and as many requests wait for it as may (${maxWaiters}).`
    case 'cooling':
      return 'The last run failed a moment ago; come again after the pause.'
    case 'failed again':
      return 'The run that this request waited for failed, and so did the one after it; come again.'
  }
}

export function outcomeUnknown(reason: string): Problem {
  return {
    code: 'OUTCOME_UNKNOWN',
    detail: `It is not known whether the call had its effect: ${reason}. It is not repeated until an operator resolves the record.`,
  }
}
