import { delayMs } from '../engine/delay.ts'
import { readNetworkFailure } from '../protocol/network-error.ts'
import { isUnanswered } from '../protocol/unanswered.ts'
import { isWorthRetrying } from '../protocol/worth-retrying.ts'
import type { AttemptEvent, DoneReason } from './events.ts'
import type { FetchRules } from './options.ts'

/** What an attempt came to, as far as the next one depends on it. */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly response: Response }
  | { readonly kind: 'failed'; readonly error: unknown }

/** Where a call stands after an attempt. */
export interface CallState {
  /** 1 for the first. */
  readonly attempt: number
  /** Attempts before this one of which nobody can say whether they ran. */
  readonly ambiguousBefore: number
  /** The same request again is no second one: by its method, or because its host honours the key. */
  readonly isSafe: boolean
  /** Of the deadline. */
  readonly leftMs: number
}

export type Verdict = Pick<AttemptEvent, 'ambiguous' | 'next'>

/** Whether there is a next attempt. Spends from the budget where there is. */
export function judge(rules: FetchRules, state: CallState, outcome: AttemptOutcome): Verdict {
  const ambiguous = !state.isSafe && hasNoAnswer(outcome)
  const done = (reason: DoneReason): Verdict => ({ ambiguous, next: { kind: 'done', reason } })
  if (!mayGoBetter(outcome)) return done('final')
  if (state.attempt > rules.retries) return done('retries')
  if (ambiguous && state.ambiguousBefore >= rules.ambiguousRetries) return done('ambiguous')
  const wait = delayMs(rules, state.attempt, outcome.kind === 'answered' ? outcome.response.headers : undefined)
  if (wait >= state.leftMs) return done('deadline')
  if (rules.budget?.withdraw() === false) return done('budget')
  return { ambiguous, next: { kind: 'retry', delayMs: wait } }
}

/** Whether a request may have been taken by somebody who has not said so. */
export function hasNoAnswer(outcome: AttemptOutcome): boolean {
  if (outcome.kind === 'failed') return readNetworkFailure(outcome.error) === 'sent'
  const { status, headers } = outcome.response
  return isUnanswered(status) && headers.get('x-should-retry') !== 'true'
}

function mayGoBetter(outcome: AttemptOutcome): boolean {
  if (outcome.kind === 'failed') return readNetworkFailure(outcome.error) !== 'never'
  const { status, headers } = outcome.response
  return isWorthRetrying(status, headers.get('x-should-retry'))
}
