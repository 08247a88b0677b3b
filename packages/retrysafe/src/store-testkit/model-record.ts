import type { CrashPolicy, RecordState, Token } from '../engine/record.ts'
import { type ClaimTerms, graceMs, openMs, tombstoneMs } from '../engine/store.ts'
import type { Fingerprint } from '../fingerprint/fingerprint.ts'

/** A record as docs/protocol.md tells of it, in the plainest form: one clock, logs and values as text. */
export interface ModelRecord {
  state: RecordState
  token: Token
  raw: Fingerprint
  canonical: Fingerprint | undefined
  policy: CrashPolicy
  cap: number
  attempt: number
  sent: boolean
  cancelled: boolean
  retentionMs: number
  leaseEndMs: number
  coolUntilMs: number
  endMs: number
  claimedAtMs: number
  completedAtMs: number | undefined
  log: string
  steps: Map<string, { input: Fingerprint; attempt: number; fence: number; value: string | undefined }>
  /** An older owner may still write. `perhaps`: of an expired record, which the store may or may not remember. */
  zombies: 'no' | 'yes' | 'perhaps'
}

/** What the store drew by itself, which the model cannot foretell. */
export interface Drawn {
  readonly fence: number | undefined
}

/** Where the contract leaves a value to the store. */
export const anything: unique symbol = Symbol('anything')

export function change(record: ModelRecord, values: Partial<ModelRecord>): void {
  Object.assign(record, values)
}

export function lapsed(record: ModelRecord, now: number): boolean {
  return now >= record.leaseEndMs + graceMs
}

export function compare(
  record: ModelRecord,
  terms: ClaimTerms,
  ownerLives: boolean,
): 'match' | 'mismatch' | 'undecided' {
  if (record.raw === terms.raw) return 'match'
  // Only a living owner can still say its canonical form.
  if (record.canonical === undefined) return ownerLives ? 'undecided' : 'mismatch'
  if (terms.canonical === undefined) return 'undecided'
  return record.canonical === terms.canonical ? 'match' : 'mismatch'
}

export function acquired({ token, attempt, sent, policy }: ModelRecord): unknown {
  return { kind: 'acquired', token, attempt, sent, onCrash: policy }
}

/** A tombstone in its place: bodiless, and late completes are lost. */
export function entomb(record: ModelRecord, now: number, mayLoseRows: boolean): void {
  record.steps.clear()
  // Where a lost record may come back with its `complete`, the tombstone stays for as long as that may arrive.
  const livesMs = mayLoseRows ? Math.max(tombstoneMs, record.retentionMs) : tombstoneMs
  change(record, { state: 'purged', log: '', zombies: 'yes', endMs: now + livesMs })
}

/** How long an open record stays: for the retention, if something of it counts. One that does not may be a tombstone. */
export function openLifeMs({ attempt, steps, retentionMs }: ModelRecord, mayLoseRows: boolean): number {
  if (attempt > 0 || steps.size > 0) return retentionMs
  return mayLoseRows ? Math.max(openMs, retentionMs) : openMs
}
