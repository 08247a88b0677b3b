import type { AttemptEnd } from '../engine/record.ts'
import { isUnanswered } from '../protocol/unanswered.ts'
import type { Report } from '../providers/usage.ts'
import type { AnswerHead } from './answer-head.ts'
import type { Failure } from './failure.ts'
import { isIn, type StatusRange } from './status-range.ts'

/** What became of a run. */
export interface RunEnding {
  readonly recorded: boolean
  /** Of what is not recorded; absent: the record was somebody else's by then. */
  readonly end: AttemptEnd | undefined
  /** Of an answer that was to be recorded. */
  readonly report: Report | undefined
}

/** The table of ends, for whole answers that are not recorded. A success that nobody can read is no reported failure. */
export function endOfWhole(
  { head: { status, endsByClose }, isJudgeable }: { readonly head: AnswerHead; readonly isJudgeable: boolean },
  recordStatus: readonly StatusRange[],
): AttemptEnd {
  if (endsByClose || isUnanswered(status)) return 'broken'
  if (isIn(recordStatus, status) && !isJudgeable) return 'broken'
  const worthRetrying = status === 408 || status === 409 || status === 425 || status === 429
  return status >= 400 && status < 500 && !worthRetrying ? 'free' : 'failed'
}

/** Of an answer that had begun. */
export function endInPart(failure: Failure | undefined, isCancelled: boolean): AttemptEnd {
  if (isCancelled) return 'cancelled'
  return failure?.end === 'failed' ? 'failed' : 'broken'
}
