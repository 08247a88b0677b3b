import type { ProblemCode } from '../protocol/problem.ts'

/** Codes that only code sees, never a response. */
export const codesInCode = [
  'STEP_CHANGED',
  'RESULT_NOT_SERIALIZABLE',
  'LEASE_LOST',
  'STORE_INCOMPATIBLE',
  'CONFIG_INVALID',
  'PEER_MISSING',
] as const

export type ErrorCode = ProblemCode | (typeof codesInCode)[number]

/**
 * The one error class of Retrysafe.
 *
 * `code` is stable and has a section in docs/errors.md; `message` says what happened, with the value, and what to do.
 *
 * @example
 * try { openStore('memroy:') } catch (error) {
 *   if (error instanceof RetrysafeError && error.code === 'CONFIG_INVALID') console.error(error.message)
 * }
 */
export class RetrysafeError extends Error {
  override readonly name = 'RetrysafeError'
  readonly code: ErrorCode
  /** When to come again, ms; `undefined` where nobody knows. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options?: ErrorOptions & { readonly retryAfterMs?: number | undefined },
  ) {
    super(message, options)
    this.code = code
    this.retryAfterMs = options?.retryAfterMs
  }
}
