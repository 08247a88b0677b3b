import type { CrashPolicy, RecordLabel, RecordState, RecordView, StoreKey } from '../../engine/record.ts'
import { graceMs } from '../../engine/store.ts'
import type { Fingerprint } from '../../fingerprint/fingerprint.ts'

/**
 * One record, as the embedded stores hold it. Rows are never changed in place: a transition answers the next row, and
 * the store puts it if the row is still the one that was read.
 */
export interface Row {
  readonly state: RecordState
  readonly fence: number
  readonly owner: string
  /** Counted attempts; while running, this one included. */
  readonly attempt: number
  readonly maxAttempts: number
  readonly onCrash: CrashPolicy
  readonly sent: boolean
  /** An older attempt may still be alive: deletion leaves a tombstone. */
  readonly takenOver: boolean
  readonly cancelled: boolean
  readonly raw: Fingerprint
  readonly canonical: Fingerprint | undefined
  readonly leaseMs: number
  /** On the lease clock. */
  readonly leaseUntilMs: number
  /** On the lease clock. */
  readonly cooldownUntilMs: number
  readonly retentionMs: number
  /** On the wall clock, like the two after it. */
  readonly expiresAtMs: number
  readonly claimedAtMs: number
  readonly completedAtMs: number | undefined
  readonly lengthBytes: number
  readonly steps: number
  readonly label: RecordLabel
}

/** The store's two clocks: leases must not jump with the wall clock, expiry must survive a reboot. */
export interface StoreTime {
  readonly leaseMs: number
  readonly wallMs: number
}

/** What a transition does to the row. */
export type Change = { kind: 'keep' } | { kind: 'put'; row: Row } | { kind: 'delete' }

export const keep: Change = { kind: 'keep' }

export function put(row: Row): Change {
  return { kind: 'put', row }
}

/** The lease and the grace after it are over: somebody else may take the record over. */
export function isLapsed(row: Row, now: StoreTime): boolean {
  return row.leaseUntilMs + graceMs <= now.leaseMs
}

/** An expired row counts as absent, whether it was swept or not; a running one only after its lease. */
export function isExpired(row: Row, now: StoreTime): boolean {
  return row.expiresAtMs <= now.wallMs && (row.state !== 'running' || isLapsed(row, now))
}

export function viewOf(id: StoreKey, row: Row, now: StoreTime): RecordView {
  return {
    id,
    state: row.state,
    fence: row.fence,
    attempt: row.attempt,
    maxAttempts: row.maxAttempts,
    onCrash: row.onCrash,
    sent: row.sent,
    label: row.label,
    claimedAtMs: row.claimedAtMs,
    ...(row.completedAtMs !== undefined && { completedAtMs: row.completedAtMs }),
    ...(row.state === 'running' && { leaseLeftMs: row.leaseUntilMs - now.leaseMs }),
    expiresAtMs: row.expiresAtMs,
    lengthBytes: row.lengthBytes,
    steps: row.steps,
  }
}
