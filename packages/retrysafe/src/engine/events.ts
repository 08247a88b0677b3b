import type { ErrorCode } from './errors.ts'

/** What every event says. Nothing in it is secret: no credential, no body, and of the tenant a part of its HMAC. */
interface CallFacts {
  /** Name of the function, or of the middleware. */
  readonly operation: string
  /** First 8 characters of the tenant's HMAC: enough to group by. */
  readonly tenant: string
  readonly key: string
  /** Since the call came in, ms. */
  readonly durationMs: number
}

/** How one call went. */
export type CallEvent = CallFacts &
  (
    | {
        /** It ran here. `attempt` counts from 1; over 1, an earlier run of the key had died. */
        readonly type: 'executed'
        readonly attempt: number
        /** Whether its outcome is recorded: a failure is not. */
        readonly recorded: boolean
        /** It was stopped because everybody who wanted it had left (`onDisconnect`). What it cost is lost. */
        readonly deserted: boolean
      }
    /** It ran before: an earlier outcome was served. */
    | { readonly type: 'replayed'; readonly ageMs: number }
    /** It runs for somebody else: that answer was shared. */
    | { readonly type: 'joined' }
    /** `IN_FLIGHT`, `KEY_REUSED`, `STORE_UNAVAILABLE`, … */
    | { readonly type: 'refused'; readonly code: ErrorCode }
    /** An earlier run of the key died, and this process runs it again. */
    | { readonly type: 'taken over'; readonly attempt: number }
    /** Nobody knows whether an earlier run had its effect, and the policy forbids another. */
    | { readonly type: 'unknown' }
  )

/** Hears what becomes of calls. What it throws is a warning, and changes nothing. */
export type CallListener = (event: CallEvent) => void
