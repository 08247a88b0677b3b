import type { Fingerprint } from '../fingerprint/fingerprint.ts'
import type { AttemptEnd, CrashPolicy, RecordLabel, RecordState, RecordView, StoreKey, Token } from './record.ts'

/**
 * The contract of every store. Each step is atomic and one round trip; each is idempotent by its token or owner, so a
 * step sent twice, late or out of order equals once. Times are on the store's clock; callers send durations.
 *
 * A step that cannot reach its data rejects with `RetrysafeError` `STORE_UNAVAILABLE`: it may or may not have been
 * made, and calling it again with the same token or owner is safe.
 *
 * An outcome is a **log**: bytes appended at offsets, sealed by `complete`. The store never looks inside.
 */
export interface Store {
  readonly name: string
  readonly traits: StoreTraits

  /**
   * Claims `key` for one execution. Of any concurrent calls exactly one is `acquired`.
   * `mismatch` wins over every other answer: a reused key never runs, not even after a crash.
   *
   * @throws {RetrysafeError} `STORE_FULL` when no further record can be kept, `STORE_UNAVAILABLE`
   * @see draft-ietf-httpapi-idempotency-key-header-07 §2.6
   */
  claim(terms: ClaimTerms): Promise<ClaimAnswer>
  /** Several claims in one round trip; answers in the same order. */
  claimMany(terms: readonly ClaimTerms[]): Promise<ClaimAnswer[]>

  /** Moves the lease's end to now + `leaseMs` (0 gives it up). `mark` and `note` are renewals that also say something. */
  renew(key: StoreKey, token: Token, change: LeaseChange): Promise<RenewAnswer>
  /** Adds bytes to the running generation's log. */
  append(key: StoreKey, token: Token, piece: LogPiece): Promise<AppendAnswer>
  /** Seals the log with its last bytes; the retention starts here. The log is cut to `offsetBytes` first. */
  complete(key: StoreKey, token: Token, piece: LogPiece): Promise<CompleteAnswer>
  /**
   * Completes inside the caller's transaction, on stores that are `transactional`: nothing shows before it commits.
   * Rejects, so that it rolls back, when the record is not this token's to complete any more, an outcome of the same
   * token included: its effect is there already.
   *
   * @throws {RetrysafeError} `LEASE_LOST`
   */
  completeIn?(tx: unknown, key: StoreKey, token: Token, piece: LogPiece): Promise<void>
  /** Ends an attempt that has no outcome, by the table in docs/protocol.md. */
  release(key: StoreKey, token: Token, end: ReleaseTerms): Promise<ReleaseAnswer>

  /** Reads at most `limitBytes` of the log that `fence` writes or wrote. */
  read(key: StoreKey, fence: number, offsetBytes: number, limitBytes: number): Promise<ReadAnswer>
  /** Calls `hint` after anything changed on `key`, perhaps; leaves a mark that the owner sees as `followed`. */
  subscribe(key: StoreKey, hint: () => void): Subscription

  /** Begins a step of an operation, or answers what it gave before. */
  stepStart(key: StoreKey, token: Token, step: StepTerms): Promise<StepStartAnswer>
  stepPut(key: StoreKey, token: Token, step: { id: string; value: Uint8Array }): Promise<StepPutAnswer>
  stepGet(key: StoreKey, stepId: string): Promise<StepGetAnswer>

  /** Offers a running attempt, once, to a retry that carries no key. */
  offer(pairKey: string, offer: PairOffer): Promise<void>
  /** Takes the newest offer whose count is one lower than `count`; idempotent by `owner`. */
  take(pairKey: string, taker: { count: number; owner: string }): Promise<TakeAnswer>

  /** Adds to bounded counters; a `sequence` not above the last one seen of its `source` changes nothing. */
  count(bucket: string, deltas: CounterDeltas, sequence: { source: string; number: number }): Promise<'ok' | 'dup'>
  counters(bucket: string): Promise<Readonly<Record<string, number>>>

  /** Keeps `value` under `name` unless there is one; answers the one that is kept. */
  metaInit(name: string, value: Uint8Array): Promise<Uint8Array>
  /** Asks the owner of a running record to stop; it sees `cancelled` at its next renewal. */
  cancel(key: StoreKey, fence: number): Promise<OperatorAnswer>
  /** Frees an unknown record: a tombstone takes its place, the next claim runs. */
  resolve(key: StoreKey, fence: number): Promise<OperatorAnswer>
  /** Removes a record; a running one only with `force`. The fence is the one the operator saw. */
  purge(key: StoreKey, fence: number, options: { force: boolean }): Promise<OperatorAnswer>
  get(key: StoreKey): Promise<RecordView | undefined>
  list(query: ListQuery): Promise<RecordPage>
  /** The records whose outcome is unknown, from a small index of their own. */
  unknown(query: { cursor?: string; limit: number }): Promise<RecordPage>
  /** Removes at most `limit` expired records; answers how many. */
  sweep(limit: number): Promise<number>
  /** The store's clock, ms since the epoch. */
  now(): Promise<number>
  /** From then on every step rejects with `STORE_UNAVAILABLE`. May be called again. */
  close(): Promise<void>
}

export interface StoreTraits {
  /** Other processes may hold claims in the same store. */
  readonly crossProcess: boolean
  /** `completeIn(tx)` exists. */
  readonly transactional: boolean
  /** A restart or failover may forget acknowledged rows, so a late `complete` may resurrect one. */
  readonly mayLoseRows: boolean
  /** How often a waiter looks by itself when no hint comes, in ms (before jitter). */
  readonly pollMs: number
  /** Expired records go by themselves: `sweep` has nothing to remove. */
  readonly expiresItself?: boolean
}

export interface ClaimTerms {
  readonly key: StoreKey
  readonly raw: Fingerprint
  readonly canonical?: Fingerprint
  /** 128 random bits, base64url, new for each attempt. */
  readonly owner: string
  /** 1 to 3_600_000; starts when the store grants it. */
  readonly leaseMs: number
  /** 1_000 to 2_592_000_000; starts at completion. */
  readonly retentionMs: number
  readonly onCrash: CrashPolicy
  /** Dispatches whose failure nobody reported, at most; 1 to 100. */
  readonly maxAttempts: number
  readonly label: RecordLabel
}

export type ClaimAnswer =
  /** `onCrash` is the record's own policy, which a takeover does not change. */
  | { kind: 'acquired'; token: Token; attempt: number; sent: boolean; onCrash: CrashPolicy }
  | { kind: 'completed'; fence: number; ageMs: number; expiresAtMs: number; log: SealedLog }
  | { kind: 'running'; fence: number; leaseLeftMs: number; lengthBytes: number }
  | { kind: 'mismatch' }
  /** The raw fingerprints differ and one side's canonical is not there yet. */
  | { kind: 'undecided'; fence: number }
  | { kind: 'unknown'; attempt: number }
  /** `fence` is that of the run that failed. */
  | { kind: 'cooling'; leftMs: number; fence: number }

/** A finished log: whole when it is small, else only its length, to be read piece by piece. */
export interface SealedLog {
  readonly lengthBytes: number
  readonly bytes?: Uint8Array
}

/** Up to this length a completed claim carries the log itself. */
export const inlineLogBytes = 65_536

/** After the lease's end nobody takes over for this long: room for a renewal that is on its way. */
export const graceMs = 2_000

/** How long a tombstone stays. */
export const tombstoneMs = 86_400_000

/** How long an open record without steps or counted attempts stays. */
export const openMs = 600_000

export interface LeaseChange {
  readonly leaseMs: number
  /** The effect may begin from now on. */
  readonly sent?: boolean
  readonly canonical?: Fingerprint
}
export type RenewAnswer = { kind: 'ok'; cancelled: boolean; followed: boolean } | { kind: 'lost' } | { kind: 'busy' }

export interface LogPiece {
  /** Where these bytes begin in the log. */
  readonly offsetBytes: number
  readonly bytes: Uint8Array
  readonly canonical?: Fingerprint
}
export type AppendAnswer =
  | { kind: 'ok'; lengthBytes: number; followed: boolean }
  | { kind: 'dup' }
  | { kind: 'gap'; lengthBytes: number }
  | { kind: 'lost' }
/** `gap`: the store holds less of the log than the piece builds on; the caller still has a way, a result not kept. */
export type CompleteAnswer = 'ok' | 'dup' | 'lost' | 'gap' | 'resurrected'

export interface ReleaseTerms {
  readonly end: AttemptEnd
  readonly cooldownMs: number
  readonly canonical?: Fingerprint
}
export type ReleaseAnswer = 'ok' | 'lost'

export type ReadAnswer =
  /** `lapsed`: the owner's lease and the grace are over, so perhaps nothing more will come. */
  | { kind: 'bytes'; bytes: Uint8Array; lengthBytes: number; sealed: boolean; lapsed: boolean }
  /**
   * The generation is over without an outcome: another fence runs, or the record is open, unknown, purged, absent.
   * `cooldownMs` is what is left of an open record's.
   */
  | { kind: 'ended'; state: RecordState | 'absent'; cooldownMs: number }

export interface Subscription {
  close(): void
}

export interface StepTerms {
  readonly id: string
  readonly input: Fingerprint
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
}
export type StepStartAnswer =
  | { kind: 'begun'; attempt: number }
  | { kind: 'exists'; value: Uint8Array }
  | { kind: 'unknown'; attempt: number }
  | { kind: 'changed' }
  | { kind: 'lost' }
export type StepPutAnswer = { kind: 'ok' } | { kind: 'exists'; value: Uint8Array } | { kind: 'lost' }
export type StepGetAnswer = { kind: 'exists'; value: Uint8Array } | { kind: 'absent' }

export interface PairOffer {
  readonly key: StoreKey
  readonly fence: number
  readonly count: number
  /** 1 to 3_600_000. */
  readonly ttlMs: number
}
export type TakeAnswer = { kind: 'taken'; key: StoreKey; fence: number } | { kind: 'none' }

export type CounterDeltas = Readonly<Record<string, number>>

export type OperatorAnswer = 'ok' | 'absent' | 'running' | 'changed' | 'refused'

export interface ListQuery {
  readonly state?: RecordState
  readonly cursor?: string
  /** 1 to 1_000. */
  readonly limit: number
}
export interface RecordPage {
  readonly records: readonly RecordView[]
  /** Where the next page begins; absent on the last. */
  readonly cursor?: string
}
