import type { AttemptEnd, CrashPolicy, RecordState } from '../../packages/retrysafe/src/engine/record.ts'

/**
 * What was asked of the store. `mark` and `note` are renewals, as in the store's contract.
 * `canonical` is given wherever the call carried one.
 */
export type StepCall =
  | {
      step: 'claim'
      owner: string
      raw: string
      canonical?: string
      leaseMs: number
      retentionMs: number
      onCrash: CrashPolicy
      maxAttempts: number
    }
  | { step: 'renew'; fence: number; owner: string; leaseMs: number; sent: boolean; canonical?: string }
  | { step: 'append'; fence: number; owner: string; canonical?: string }
  /** `value`: the whole outcome's text, or a hash of it; log pieces appended before count. */
  | { step: 'complete'; fence: number; owner: string; value: string; canonical?: string }
  | { step: 'release'; fence: number; owner: string; end: AttemptEnd; cooldownMs: number; canonical?: string }
  | { step: 'purge' | 'resolve' | 'cancel'; fence: number; force?: boolean }
  | { step: 'get' }

/** What the store answered, and what matters of it. `value` is made the same way as in `complete`. */
export type StepResult =
  | { kind: 'acquired'; fence: number; owner: string; attempt: number; sent: boolean }
  | { kind: 'completed'; fence: number; value: string }
  /** `fence` only from a claim; purge and resolve answer a bare `running`. */
  | { kind: 'running'; fence?: number }
  | { kind: 'mismatch' }
  | { kind: 'undecided'; fence: number }
  | { kind: 'unknown'; attempt: number }
  | { kind: 'cooling'; fence: number }
  /** `cancelled` only from a renewal. */
  | { kind: 'ok'; cancelled?: boolean }
  | { kind: 'lost' | 'busy' | 'dup' | 'gap' | 'resurrected' }
  | { kind: 'absent' | 'changed' | 'refused' }
  /** `STORE_FULL`: refused without any effect. */
  | { kind: 'full' }
  /** From `get`. */
  | { kind: 'view'; state: RecordState; fence: number; attempt: number }

/**
 * One call of one process. Times are one clock's, in ms, fractions allowed: the simulation's true time, or
 * CLOCK_MONOTONIC for real processes of one machine.
 *
 * - With a result: it took effect at one point between invoke and return.
 * - Without result and without return (time-out, `STORE_UNAVAILABLE`, process died): at any point after the invoke, or
 *   never. The rejection's own time does not matter: a request may arrive long after it.
 * - Without result but with return: at a point between, or never; for those who know that nothing arrives later.
 * - A request that the network delivers twice is two operations: the second has the same invoke and no result.
 */
export interface Operation {
  /** One life of one process: a restart is another process. */
  readonly process: string
  readonly key: string
  readonly call: StepCall
  readonly invokedAtMs: number
  readonly returnedAtMs?: number
  readonly result?: StepResult
}

/** A store that sees dead owners may take over at once from then on. */
export interface Death {
  readonly process: string
  readonly atMs: number
}

export interface History {
  readonly operations: readonly Operation[]
  readonly deaths?: readonly Death[]
  readonly options?: HistoryOptions
}

export interface HistoryOptions {
  /** A dead owner's record may be taken over before its lease has lapsed. Default false. */
  readonly deadOwnersAtOnce?: boolean
  /** Embedded stores: nothing that a process asked for takes effect after its death. Default false. */
  readonly deathEndsCalls?: boolean
  /** A claim may answer `running` though lease and grace are over (outage amnesty). Default false: that is I12. */
  readonly lateTakeover?: boolean
  /** By how much the store's lease clock may differ from the history's over one lease. Default 0. */
  readonly leaseSlackMs?: number
  /** By how much the store's wall clock may be set while the history runs; only expiry counts on it. Default 0. */
  readonly wallSlackMs?: number
  /** Search steps for one key before the answer is `too hard`. Default 200_000 + 100 for each operation. */
  readonly maxSteps?: number
}
