import type { Fingerprint } from '../fingerprint/fingerprint.ts'
import type { Attempt } from './attempt.ts'
import { pause, type Surroundings, within } from './clock.ts'
import { RetrysafeError } from './errors.ts'
import { type Follower, followRecording, openStoredLog } from './follower.ts'
import { type Instant, instant } from './instant.ts'
import type { HttpHead, KeptHead } from './outcome.ts'
import type { CrashPolicy, RecordLabel, StoreKey } from './record.ts'
import { type RecordWatch, watchRecord } from './record-watch.ts'
import { inFlight, type Refusal, refused, retryAfterMs } from './refusal.ts'
import { openPieces, openWhole, type Replay, type ReplayOpening } from './replay.ts'
import type { ClaimAnswer, Store } from './store.ts'
import type { Waiters } from './waiters.ts'

/** One request for an execution. */
export interface Call {
  readonly key: StoreKey
  readonly raw: Fingerprint
  /**
   * Asked for only when it is needed; the same answer each time. A promise where it takes long; it rejects only where
   * there is none to be had, and the call with it, unless it runs already. `signal`: once it fires, nobody wants it.
   */
  readonly canonical: (signal?: AbortSignal) => Fingerprint | Promise<Fingerprint>
  /** The raw fingerprint is another at every retry, so the canonical one goes with the first claim. Default false. */
  readonly canonicalFirst?: boolean
  readonly leaseMs: number
  readonly retentionMs: number
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
  readonly label: RecordLabel
  /** How long it may wait for a running duplicate, from now; 0 refuses at once. */
  readonly waitMs: number
  /** Fires when the caller has left. */
  readonly signal?: AbortSignal
  /** How many failed runs it outlasts, however often it is entered. Default 0: as a waiter, one. */
  readonly retries?: number
  /** Runs of its key that are known to have failed since it came in; kept where it may be entered more than once. */
  readonly failedRuns?: Set<number>
  /** False: it has run already and lost its record. It joins whoever has it now, and runs no second time. */
  readonly mayRun?: boolean
}

/** How a call goes on; `Head`: of what calls of its sort record. */
export type Entry<Head extends KeptHead = HttpHead> =
  | { kind: 'run'; attempt: Attempt }
  | { kind: 'replay'; replay: Replay<Head>; joined: boolean }
  | { kind: 'follow'; follower: Follower<Head>; fence: number }
  | { kind: 'refused'; refusal: Refusal }
  /** The caller has left while it waited. */
  | { kind: 'left' }
  /** Nobody has the record, and this call may not run. */
  | { kind: 'none' }

type Acquired = Extract<ClaimAnswer, { kind: 'acquired' }>

/** What a claim needs of its engine. */
export interface ClaimPort {
  readonly store: Store
  readonly surroundings: Surroundings
  readonly waiters: Waiters
  start(call: Call, acquired: Acquired, claimedAt: Instant): Attempt
  /** The attempt that runs in this process under that fence. */
  live(key: StoreKey, fence: number): Attempt | undefined
}

/** A differing payload is told before a running duplicate is refused, so even who will not wait waits this long. */
const undecidedMs = 250

/**
 * Claims, and waits where somebody else runs, until it is clear how the call goes on.
 * A waiter never executes: it claims again, at most once after a failed run, and after its cooldown.
 */
export async function enter<Head extends KeptHead>(port: ClaimPort, call: Call): Promise<Entry<Head>> {
  const claimant = new Claimant<Head>(port, call)
  if (call.canonicalFirst) {
    await claimant.bringCanonical()
    if (call.signal?.aborted) return { kind: 'left' }
  }
  // The first of its claims may be the one that was granted, delivered late or twice: the lease may be as old as that.
  const claimedAt = instant(port.surroundings.clock)
  try {
    for (;;) {
      let answer: ClaimAnswer
      try {
        answer = await claimant.ask()
      } catch (error) {
        answer = await claimant.askAgain(error)
      }
      // What is clear at once stays clear of further promises: most calls end here.
      const entry = claimant.atOnce(answer, claimedAt) ?? (await claimant.afterAll(answer))
      if (entry !== undefined) return entry
      if (call.signal?.aborted) return { kind: 'left' }
    }
  } finally {
    claimant.leave()
  }
}

class Claimant<Head extends KeptHead> {
  readonly #port: ClaimPort
  readonly #call: Call
  readonly #owner: string
  readonly #startedMs: number
  /** Runs of this key that are known to have failed since the call came in. */
  readonly #failed: Set<number>
  readonly #mostFailed: number
  #canonical: Fingerprint | undefined
  #watch: RecordWatch | undefined
  #waits = false
  #joined = false

  constructor(port: ClaimPort, call: Call) {
    this.#port = port
    this.#call = call
    this.#failed = call.failedRuns ?? new Set()
    // A waiter claims once more after a failed run, and as often as who runs it would.
    this.#mostFailed = Math.max(1, call.retries ?? 0)
    this.#owner = Buffer.from(port.surroundings.random.bytes(16)).toString('base64url')
    this.#startedMs = port.surroundings.clock.monotonicMs()
  }

  /** How the call goes on, where the claim's answer says it all. */
  atOnce(answer: ClaimAnswer, claimedAt: Instant): Entry<Head> | undefined {
    switch (answer.kind) {
      case 'acquired':
        if (this.#call.mayRun === false) return undefined
        return { kind: 'run', attempt: this.#port.start(this.#call, answer, claimedAt) }
      case 'completed': {
        const opening = openWhole<Head>(answer)
        return opening === undefined ? undefined : this.#replay(opening)
      }
      case 'mismatch':
        return refused({ code: 'KEY_REUSED' })
      case 'unknown':
        return refused({ code: 'OUTCOME_UNKNOWN', attempt: answer.attempt })
      default:
        return undefined
    }
  }

  /** What takes more than the claim; `undefined` after a wait: claim again. */
  async afterAll(answer: ClaimAnswer): Promise<Entry<Head> | undefined> {
    const { store, surroundings } = this.#port
    switch (answer.kind) {
      case 'acquired':
        await store.release(this.#call.key, answer.token, { end: 'free', cooldownMs: 0 })
        return { kind: 'none' }
      case 'completed':
        return this.#replay(await openPieces(store, this.#call.key, surroundings, answer))
      case 'undecided':
        return this.#decide(answer.fence)
      case 'cooling':
        return this.#coolDown(answer.fence, answer.leftMs)
      case 'running':
        return this.#join(answer.fence)
      case 'mismatch':
      case 'unknown':
        return undefined
    }
  }

  leave(): void {
    this.#watch?.close()
    if (this.#waits) this.#port.waiters.leave(this.#call.key)
    this.#waits = false
  }

  /** From now on each claim says it; unless the caller has left meanwhile. */
  async bringCanonical(): Promise<void> {
    const { signal } = this.#call
    try {
      this.#canonical ??= await this.#call.canonical(signal)
    } catch (error) {
      if (!signal?.aborted) throw error
    }
  }

  ask(): Promise<ClaimAnswer> {
    const { key, raw, leaseMs, retentionMs, onCrash, maxAttempts, label } = this.#call
    const said = { key, raw, owner: this.#owner, leaseMs, retentionMs, onCrash, maxAttempts, label }
    return this.#port.store.claim(this.#canonical === undefined ? said : { ...said, canonical: this.#canonical })
  }

  /** Asks once more when no answer came: the claim may have been made, and asking again with the same owner is safe. */
  askAgain(error: unknown): Promise<ClaimAnswer> {
    if (error instanceof RetrysafeError && error.code === 'STORE_UNAVAILABLE') return this.ask()
    throw error
  }

  #replay(opening: ReplayOpening<Head>): Entry<Head> | undefined {
    switch (opening.kind) {
      case 'replay':
        return { kind: 'replay', replay: opening.replay, joined: this.#joined }
      case 'not kept':
        return refused({ code: 'RESULT_NOT_KEPT' })
      case 'gone':
        // Purged between the claim and the read: claim again.
        return undefined
    }
  }

  /** Brings its own canonical fingerprint; after that it is the owner's that is missing, to be watched for. */
  async #decide(fence: number): Promise<Entry<Head> | undefined> {
    const { store, surroundings, live } = this.#port
    if (this.#watch === undefined) {
      await this.bringCanonical()
      this.#watch = watchRecord(store, this.#call.key, surroundings, this.#call.signal)
      return undefined
    }
    const leftMs = Math.max(this.#leftMs(), undecidedMs - this.#waitedMs())
    if (leftMs <= 0) return inFlight('wait over')
    if (!this.#mayWait()) return inFlight('too many waiters')
    live(this.#call.key, fence)?.note()
    await this.#watch.next(leftMs)
    return undefined
  }

  async #coolDown(fence: number, leftMs: number): Promise<Entry<Head> | undefined> {
    // Who knows of a failed run has its place already, or rests for a run of its own, and waits for nobody.
    const needsPlace = this.#failed.size === 0
    this.#failed.add(fence)
    if (this.#failed.size > this.#mostFailed) return inFlight('failed again', leftMs)
    if (leftMs > this.#leftMs()) return inFlight('cooling', leftMs)
    if (needsPlace && !this.#mayWait()) return inFlight('too many waiters', leftMs)
    await pause(this.#port.surroundings.timers, leftMs, this.#call.signal)
    return undefined
  }

  async #join(fence: number): Promise<Entry<Head> | undefined> {
    const leftMs = this.#leftMs()
    if (leftMs <= 0) return inFlight('wait over')
    if (!this.#mayWait()) return inFlight('too many waiters')
    this.#joined = true
    const attempt = this.#port.live(this.#call.key, fence)
    return attempt === undefined ? this.#joinElsewhere(fence, leftMs) : this.#joinHere(attempt, fence, leftMs)
  }

  async #joinHere(attempt: Attempt, fence: number, leftMs: number): Promise<Entry<Head> | undefined> {
    const { recording } = attempt
    const leave = recording.audience.enter()
    try {
      const opened = await within(recording.whenOpen(), this.#port.surroundings.timers, leftMs, this.#call.signal)
      switch (opened?.kind) {
        case 'head':
          return { kind: 'follow', follower: followRecording(recording, opened.head as Head, false), fence }
        case 'ended':
          return this.#runFailed(fence, opened.cooldownMs)
        case 'lost':
        case 'deserted':
          return undefined
        case undefined:
          return this.#late()
      }
    } finally {
      leave()
    }
  }

  async #joinElsewhere(fence: number, leftMs: number): Promise<Entry<Head> | undefined> {
    const { store, surroundings, live } = this.#port
    const log = { store, key: this.#call.key, fence, surroundings, isHere: () => !!live(this.#call.key, fence) }
    const opening = await openStoredLog<Head>(log, leftMs, this.#call.signal)
    switch (opening.kind) {
      case 'head':
        return { kind: 'follow', follower: opening.follower, fence }
      case 'not kept':
        return refused({ code: 'RESULT_NOT_KEPT' })
      case 'ended':
        return this.#runFailed(fence, opening.cooldownMs)
      case 'superseded':
        return undefined
      case 'late':
        return this.#late()
    }
  }

  #runFailed(fence: number, cooldownMs: number): Entry<Head> | undefined {
    this.#failed.add(fence)
    return this.#failed.size > this.#mostFailed ? inFlight('failed again', cooldownMs || retryAfterMs) : undefined
  }

  #late(): Entry<Head> {
    return this.#call.signal?.aborted ? { kind: 'left' } : inFlight('wait over')
  }

  /** Takes its place among those who wait for the key, for as long as the call waits. */
  #mayWait(): boolean {
    this.#waits ||= this.#port.waiters.enter(this.#call.key)
    return this.#waits
  }

  #waitedMs(): number {
    return this.#port.surroundings.clock.monotonicMs() - this.#startedMs
  }

  #leftMs(): number {
    return this.#call.waitMs - this.#waitedMs()
  }
}
