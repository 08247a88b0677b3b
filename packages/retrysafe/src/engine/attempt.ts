import type { Fingerprint } from '../fingerprint/fingerprint.ts'
import type { Surroundings } from './clock.ts'
import type { Instant } from './instant.ts'
import { Lease, type LeaseEvents } from './lease.ts'
import { OwnCanonical } from './own-canonical.ts'
import { persist } from './persist.ts'
import type { AttemptEnd, CrashPolicy, StoreKey, Token } from './record.ts'
import { Recording, sealWaitMs } from './recording.ts'
import type { Store } from './store.ts'

export interface AttemptTerms {
  readonly store: Store
  readonly surroundings: Surroundings
  readonly key: StoreKey
  readonly token: Token
  /** Counted from 1. */
  readonly number: number
  readonly sent: boolean
  readonly leaseMs: number
  readonly onCrash: CrashPolicy
  readonly claimedAt: Instant
  readonly maxResultBytes: number
  readonly canonical: () => Fingerprint | Promise<Fingerprint>
  readonly closing: AbortSignal
  /** Called once nothing more will come of this attempt. */
  readonly settled: (attempt: Attempt) => void
}

/**
 * One run under one token: its lease, its recording, its end. Exactly one of `complete` and `release` ends it, unless
 * the store says `lost` before.
 */
export class Attempt implements LeaseEvents {
  readonly recording: Recording
  readonly #terms: AttemptTerms
  readonly #lease: Lease
  readonly #canonical: OwnCanonical
  #onStop: () => void = () => {}
  #stopped = false
  #settled = false
  #ending = false
  #noted = false
  #cancelled = false
  #deserted = false
  #onEnd: () => void = () => {}

  constructor(terms: AttemptTerms) {
    this.#terms = terms
    this.#canonical = new OwnCanonical(terms.canonical)
    this.recording = new Recording({ ...terms, canonical: this.#canonical }, () => this.lost())
    this.#lease = new Lease(terms, this)
  }

  beatSays(): { canonical?: Fingerprint } {
    return this.#noted ? this.#canonical.says() : {}
  }

  aged(): void {
    this.note()
  }

  renewed(said: { canonical?: Fingerprint }): void {
    if (said.canonical !== undefined) this.#canonical.stored()
  }

  /** Once the attempt is ending, only the ending step's own answer says whether the record is still ours. */
  lost(): void {
    if (!this.#ending) this.#lose()
  }

  cancelled(): void {
    this.#cancelled = true
    this.#stop()
  }

  followed(): void {
    this.recording.writer.followedElsewhere()
  }

  get key(): StoreKey {
    return this.#terms.key
  }

  get token(): Token {
    return this.#terms.token
  }

  get number(): number {
    return this.#terms.number
  }

  get onCrash(): CrashPolicy {
    return this.#terms.onCrash
  }

  /** This attempt must stop: the record is somebody else's, or an operator cancelled it. */
  get isStopped(): boolean {
    return this.#stopped
  }

  /** Calls `run` when the attempt must stop. */
  onStop(run: () => void): void {
    this.#onStop = run
  }

  /** By an operator, or because nobody wants it any more. */
  get isCancelled(): boolean {
    return this.#cancelled
  }

  /** It was stopped because nobody wanted it any more. */
  get isDeserted(): boolean {
    return this.#deserted
  }

  /** Calls `run` once nothing more will come of this attempt. */
  onEnd(run: () => void): void {
    if (this.#settled) run()
    else this.#onEnd = run
  }

  /** Whether somebody in another process follows, by the store's word of now; also where it has none to give. */
  async isFollowedElsewhere(): Promise<boolean> {
    const answer = await this.#lease.renew(this.beatSays()).catch(() => undefined)
    return answer?.kind !== 'ok' || answer.followed
  }

  /** Nobody wants it any more: it must stop, and who comes from now on claims anew. */
  desert(): void {
    if (this.#stopped || this.#ending) return
    this.#deserted = true
    this.recording.shut()
    this.cancelled()
  }

  /**
   * To be awaited just before the effect begins: under `fail` it marks the record as sent, under both policies it makes
   * sure that the lease still covers a beginning. Rejects as the store does: then nothing may begin.
   */
  async begin(): Promise<'go' | 'lost'> {
    // By the record's own state: a call under `rerun` may take over what was claimed under `fail`.
    if (!this.#mayBegin()) return this.#neverBegun()
    const mustMark = !this.#terms.sent
    if (mustMark || this.#lease.isPastDeadline()) {
      const answer = await this.#lease.renew(mustMark ? { sent: true } : {})
      if (answer.kind !== 'ok' || this.#lease.isPastDeadline()) return this.#neverBegun()
    }
    return this.#mayBegin() ? 'go' : this.#neverBegun()
  }

  /**
   * To be awaited just before the effect is tried once more in this run: whether the record is still this attempt's, under
   * a lease that covers a beginning. Rejects as the store does: then nothing may begin.
   */
  async mayTryAgain(): Promise<boolean> {
    if (!this.#mayBegin()) return false
    if (this.#lease.isPastDeadline()) {
      const answer = await this.#lease.renew(this.beatSays())
      if (answer.kind !== 'ok' || this.#lease.isPastDeadline()) return false
    }
    return this.#mayBegin()
  }

  #mayBegin(): boolean {
    return !this.#stopped && !this.#terms.closing.aborted
  }

  /**
   * Cancelled, the process is going away, or the lease may run out any moment: nothing may begin, and nothing has, so
   * the key is free again.
   * What the store has called lost is nobody's to release.
   */
  async #neverBegun(): Promise<'lost'> {
    await this.release('free')
    return 'lost'
  }

  /** Tells the store the canonical fingerprint now, and with every beat until it is there: somebody may wait for it. */
  note(): void {
    this.#noted = true
    const making = this.#canonical.whenMade()
    if (making !== undefined) return void making.then(() => this.#sayNote())
    this.#sayNote()
  }

  #sayNote(): void {
    const says = this.#canonical.says()
    if (says.canonical !== undefined && !this.#ending) this.#lease.renew(says).catch(() => {})
  }

  /**
   * Seals the recording as the outcome of the key. Resolves when its end may be shown to callers.
   */
  async complete(): Promise<'sealed' | 'lost'> {
    // Cancelled, the record is still ours, and what came whole all the same is paid for.
    if (this.#stopped && !this.#cancelled) return 'lost'
    this.#ending = true
    const { early, stored } = this.recording.seal()
    void stored.then(answer => (answer === 'lost' ? this.#lose() : this.#settle()))
    return early
  }

  /**
   * Ends the attempt without an outcome, by the table of ends. Resolves when the store has been told.
   *
   * @param options.cooldownMs how long the key rests; default 0
   * @param options.whole readers of a begun stream see its end: it is whole, and says itself that it failed
   */
  async release(end: AttemptEnd, options: { cooldownMs?: number; whole?: boolean } = {}): Promise<void> {
    if (this.#settled || this.#ending) return
    this.#ending = true
    this.recording.writer.stop()
    // Who retries at the sight of the end is to find the key free, but need not wait for a store that is gone.
    const showing = this.#terms.surroundings.timers.after(sealWaitMs, () => this.recording.endReaders(options.whole))
    const making = this.#canonical.whenMade()
    if (making !== undefined) await making
    const { store, key, token, surroundings, closing } = this.#terms
    const cooldownMs = options.cooldownMs ?? 0
    const terms = { end, cooldownMs, ...this.#canonical.says() }
    await persist(() => store.release(key, token, terms), surroundings, closing)
    showing.cancel()
    this.recording.end(this.#deserted ? { kind: 'deserted' } : { kind: 'ended', cooldownMs }, options.whole)
    this.#settle()
  }

  /** The process is going away: others may take over at once, so what still runs must stop. */
  async giveUp(): Promise<void> {
    try {
      await this.#lease.giveUp()
    } finally {
      // Not lost yet: what has not begun still frees its key, and what is ending may still end.
      if (!this.#ending) {
        this.recording.end({ kind: 'lost' })
        this.#stop()
      }
    }
  }

  #lose(): void {
    this.recording.end({ kind: 'lost' })
    this.#settle()
    this.#stop()
  }

  #stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#onStop()
  }

  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    this.#lease.end()
    this.#onEnd()
    this.#terms.settled(this)
  }
}
