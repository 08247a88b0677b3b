import type { CrashPolicy, RecordState } from '../../packages/retrysafe/src/engine/record.ts'

/** What someone asks of the simulated world, and when. */
export type Action =
  | CallAction
  | { kind: 'crash'; atMs: number; executor: number; downMs: number }
  /** `sleeps`: the monotonic clock stands still meanwhile, as on a laptop that was shut. */
  | { kind: 'pause'; atMs: number; executor: number; forMs: number; sleeps: boolean }
  | { kind: 'clock'; atMs: number; of: number | 'store'; byMs: number }
  /** The store cannot be reached, by one executor or by anybody. */
  | { kind: 'outage'; atMs: number; executor: number | 'all'; forMs: number }
  /** Waits until the record is in that state, for some seconds, and acts on what it saw. */
  | {
      kind: 'operator'
      atMs: number
      key: number
      act: OperatorWish
      when: RecordState | 'any'
      /** From seeing to acting. */
      wayMs: number
    }
  | { kind: 'sweep'; atMs: number; limit: number }
  /** The network delivers the first of the executor's latest claims on that key once more. */
  | { kind: 'echo'; atMs: number; executor: number; key: number }
  /** Takes no more calls, gives up what still runs after `graceMs`, is gone 50 ms later, and comes back. */
  | { kind: 'drain'; atMs: number; executor: number; graceMs: number; downMs: number }

/** One request of one client. */
export interface CallAction {
  readonly kind: 'call'
  readonly id: number
  readonly atMs: number
  readonly executor: number
  readonly key: number
  /** Canonical payload: another one under the same key is a reused key. */
  readonly payload: 'a' | 'b'
  /** Another spelling of the same payload. */
  readonly twin: 0 | 1
  readonly waitMs: number
  readonly leaseMs: number
  readonly retentionMs: number
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
  /** The client hangs up after so long. */
  readonly leavesAfterMs: number | undefined
  /** The client takes so long over each piece. */
  readonly readsEveryMs: number
  /** The canonical fingerprint takes so long; absent: it is there at once. */
  readonly canonicalMs: number | undefined
  /** It goes with the first claim. */
  readonly canonicalFirst: boolean
  /** What its dispatch meets, if it comes to one. Absent: drawn. */
  readonly upstream?: { readonly outcome: Outcome; readonly afterMs: number }
}

/** What the actions of a plan may name. */
export interface Stage {
  readonly keys: number
  readonly executors: number
  readonly spanMs: number
  /** Executors may sleep, and so no clock of theirs is set back. */
  readonly sleepers: boolean
}

export type OperatorWish = 'purge' | 'force' | 'resolve' | 'cancel'

/** How a dispatch goes, seen from outside. */
export type Outcome =
  | 'plain'
  | 'plain in pieces'
  | 'stream'
  | 'stream with error'
  | 'stream cut'
  | 'refused 400'
  | 'failed 429'
  | 'failed 500'
  | 'broken 502'
  | 'broken 504'
  | 'cut'
  | 'unreachable'
  | 'silent'
