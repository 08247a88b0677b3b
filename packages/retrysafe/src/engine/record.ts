declare const storeKeyMark: unique symbol

/** The name of a record: 43 base64url characters of SHA-256 over tenant, operation and idempotency key. */
export type StoreKey = string & { [storeKeyMark]: true }

/** What makes a write yours: `fence` orders attempts, `owner` (128 random bits, base64url) makes them unique. */
export interface Token {
  /** Microseconds of the store's clock at the claim, always larger than any earlier fence of the record. */
  readonly fence: number
  readonly owner: string
}

export type RecordState = 'running' | 'open' | 'completed' | 'unknown' | 'purged'

/** What to do when a run ended without a reported outcome: run again, up to the cap, or stop and say so. */
export type CrashPolicy = 'rerun' | 'fail'

/**
 * How an attempt ended, when not by `complete`:
 * - `free`: never dispatched, or refused by a complete 4xx that is not worth a retry. The key is free again.
 * - `failed`: any other complete answer that is not recorded. Open after a cooldown, not counted.
 * - `broken`: 502, 504, 520, 524, time-out, cut or incomplete answer: the effect may have happened. Counted, or unknown.
 * - `cancelled`: by policy, with nobody following.
 */
export type AttemptEnd = 'free' | 'failed' | 'broken' | 'cancelled'

/** What an operator may read about a record. None of it is secret: no credential, no body. */
export interface RecordLabel {
  /** The readable key; absent with hashed keys. */
  readonly key?: string
  /** Upstream, function or operation name. */
  readonly operation: string
  /** First characters of the tenant's HMAC: enough to group by, useless to forge with. */
  readonly tenant: string
  readonly method?: string
  /** Path without query, cut to 256 characters. */
  readonly path?: string
}

/** One record as the operator sees it. Times are on the store's clock. */
export interface RecordView {
  readonly id: StoreKey
  readonly state: RecordState
  readonly fence: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly onCrash: CrashPolicy
  readonly sent: boolean
  readonly label: RecordLabel
  readonly claimedAtMs: number
  readonly completedAtMs?: number
  /** Negative once the lease has lapsed; absent unless running. */
  readonly leaseLeftMs?: number
  readonly expiresAtMs: number
  /** Stored bytes of the outcome's log, head included. */
  readonly lengthBytes: number
  readonly steps: number
}
