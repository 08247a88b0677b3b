import type { AttemptEnd, CrashPolicy } from '../engine/record.ts'
import type { Problem } from '../protocol/problem.ts'

/** Why no whole answer came. */
export interface Failure {
  /** How the attempt ends: nothing has begun, it says itself that it failed, or nobody knows. */
  readonly end: Extract<AttemptEnd, 'free' | 'failed' | 'broken'>
  /** For a caller who has not had a byte yet. */
  readonly problem: (onCrash: CrashPolicy) => Problem
  /** What was thrown, where somebody of ours threw it. */
  readonly error?: unknown
}
