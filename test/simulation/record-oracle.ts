import type { Clock } from '../../packages/retrysafe/src/engine/clock.ts'
import type { CrashPolicy, Token } from '../../packages/retrysafe/src/engine/record.ts'
import {
  type ClaimAnswer,
  type ClaimTerms,
  type CompleteAnswer,
  graceMs,
  type LeaseChange,
  openMs,
  type ReleaseTerms,
} from '../../packages/retrysafe/src/engine/store.ts'
import type { OperatorWish } from './action.ts'
import type { Verdict } from './verdict.ts'

/** A key's life from the claim that begins it to its expiry or removal. */
export interface Incarnation {
  readonly number: number
  readonly payload: string
  /** The spelling that began it; a takeover by a twin changes nothing of it. */
  readonly raw: string
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
  readonly retentionMs: number
  /** Dispatches whose failure no complete answer has reported. */
  unreported: number
  /** The log of its one outcome, as a claim answered it first. */
  log: Uint8Array | undefined
  /** The token whose outcome it is. */
  completedBy: Grant | undefined
}

/** A token that the store has given out. */
export interface Grant {
  readonly token: Token
  readonly attempt: number
  readonly incarnation: Incarnation
  /** On the store's lease clock. */
  leaseUntilMs: number
  /** The store has noted that its effect may begin. */
  marked: boolean
  /** Cancelled, purged or resolved: from then on its run goes on for nobody. */
  removed: boolean
}

type State = 'gone' | 'running' | 'open' | 'completed' | 'unknown'

/** The state table of docs/protocol.md, read as an observer of questions and answers would; nothing of it is shared with the store. */
export class RecordOracle {
  readonly grants = new Map<number, Grant>()
  latest: Grant | undefined
  #state: State = 'gone'
  #counted = 0
  #aliveUntilMs = 0
  #cooldownUntilMs = 0
  #incarnations = 0
  readonly #key: string
  readonly #clock: Clock
  readonly #verdict: Verdict
  readonly #nowMs: () => number

  constructor(key: string, clock: Clock, verdict: Verdict, nowMs: () => number) {
    this.#key = key
    this.#clock = clock
    this.#verdict = verdict
    this.#nowMs = nowMs
  }

  wrong(invariant: string, what: string): void {
    this.#verdict.wrong(invariant, `${this.#key}: ${what}`, this.#nowMs())
  }

  claimed(terms: ClaimTerms, answer: ClaimAnswer): void {
    const expired = this.#isExpired()
    const state = expired ? 'gone' : this.#state
    if (state === 'completed') this.#checkKept(terms, answer)
    switch (answer.kind) {
      case 'acquired':
        return this.#acquired(terms, answer.token, answer.attempt, state)
      case 'completed':
        return this.#served(terms, answer, state)
      case 'running':
        if (state === 'running' && this.#isLapsed()) this.wrong('I12', 'still running after lease and grace')
        return this.#checkPayload(terms, 'told that it runs')
      case 'mismatch':
        if (state !== 'gone' && terms.raw === this.latest?.incarnation.raw)
          this.wrong('I3', 'the very same payload is a mismatch')
        return
      case 'unknown':
        this.#checkPayload(terms, 'told that it is unknown')
        return this.#gaveUp(state)
      case 'cooling':
        if (state !== 'open' && this.latest?.token.owner !== terms.owner && !this.#hasOwned(terms.owner)) {
          this.wrong('I12', `cooling though ${state}`)
        }
        return
      case 'undecided':
        return
    }
  }

  /** I5: what was completed is there until it expires. */
  #checkKept({ raw }: ClaimTerms, { kind }: ClaimAnswer): void {
    const { raw: first, payload } = this.latest?.incarnation ?? {}
    // A twin may have to bring its canonical form; another payload is a mismatch.
    if (kind === 'completed' || (kind === 'undecided' && raw !== first) || (kind === 'mismatch' && raw[0] !== payload))
      return
    this.wrong('I5', `${kind} after a stored outcome`)
  }

  #checkPayload({ raw }: ClaimTerms, what: string): void {
    const payload = this.latest?.incarnation.payload
    if (this.#state !== 'gone' && payload !== undefined && raw[0] !== payload)
      this.wrong('I3', `payload ${raw} ${what}`)
  }

  #served(terms: ClaimTerms, answer: Extract<ClaimAnswer, { kind: 'completed' }>, state: State): void {
    if (state !== 'completed') {
      this.wrong(this.#state === 'completed' ? 'I9' : 'I2', `an outcome though ${state}`)
      return
    }
    this.#checkPayload(terms, 'is served an outcome')
    const incarnation = this.latest?.incarnation
    if (incarnation === undefined || answer.log.bytes === undefined) return
    incarnation.log ??= answer.log.bytes
    if (Buffer.compare(incarnation.log, answer.log.bytes) !== 0) this.wrong('I2', 'the outcome has changed')
  }

  #acquired(terms: ClaimTerms, token: Token, attempt: number, state: State): void {
    const before = this.latest
    if (before?.token.fence === token.fence && before.token.owner === token.owner) return
    if (before !== undefined && token.fence <= before.token.fence) this.wrong('I1', 'the fence did not rise')
    if (state === 'running' && !this.#isLapsed()) this.wrong('I1', 'acquired under a live lease')
    if (state === 'unknown') this.wrong('I4', 'acquired though unknown')
    if (state === 'open' && before?.token.owner === token.owner)
      this.wrong('I7', 'granted again to an owner whose attempt has ended')
    if (state === 'open' && this.#clock.monotonicMs() < this.#cooldownUntilMs) this.wrong('I12', 'no cooldown')
    const begins = state === 'gone' || (state === 'open' && this.#counted === 0)
    if (begins !== (attempt === 1)) this.wrong('I4', `attempt ${attempt} of ${this.#counted} before (${state})`)
    const incarnation = begins || before === undefined ? this.#begin(terms) : before.incarnation
    if (incarnation.payload !== terms.raw[0]) this.wrong('I3', `acquired with payload ${terms.raw}`)
    if (attempt > incarnation.maxAttempts) this.wrong('I4', `attempt ${attempt} of ${incarnation.maxAttempts}`)
    const marked = incarnation.onCrash === 'rerun'
    const leaseUntilMs = this.#clock.monotonicMs() + terms.leaseMs
    const grant: Grant = { token, attempt, incarnation, leaseUntilMs, marked, removed: false }
    this.grants.set(token.fence, grant)
    this.latest = grant
    this.#state = 'running'
    this.#counted = attempt
    this.#liveFor(terms.leaseMs + incarnation.retentionMs, begins ? 0 : this.#aliveUntilMs)
  }

  #begin({ raw, onCrash, maxAttempts, retentionMs }: ClaimTerms): Incarnation {
    const payload = raw.charAt(0)
    const number = ++this.#incarnations
    return {
      number,
      payload,
      raw,
      onCrash,
      maxAttempts,
      retentionMs,
      unreported: 0,
      log: undefined,
      completedBy: undefined,
    }
  }

  /** A claim was told `unknown`: it was, or the claim itself has found out. */
  #gaveUp(state: State): void {
    const { latest } = this
    if (state === 'unknown' || latest === undefined) return
    const { onCrash, maxAttempts, retentionMs } = latest.incarnation
    const usedUp = this.#counted >= maxAttempts
    const lapsed = state === 'running' && this.#isLapsed() && (usedUp || (onCrash === 'fail' && latest.marked))
    if (!lapsed && !(state === 'open' && usedUp)) this.wrong('I12', `unknown though ${state}, ${this.#counted} counted`)
    this.#state = 'unknown'
    this.#liveFor(retentionMs)
  }

  renewed(token: Token, change: LeaseChange, kind: 'ok' | 'lost' | 'busy'): void {
    const grant = this.#writing(token, kind, 'renew')
    if (kind !== 'ok' || grant === undefined) return
    grant.leaseUntilMs = this.#clock.monotonicMs() + change.leaseMs
    grant.marked ||= change.sent === true
    this.#liveFor(change.leaseMs + grant.incarnation.retentionMs, this.#aliveUntilMs)
  }

  appended(token: Token, kind: 'ok' | 'dup' | 'gap' | 'lost'): void {
    this.#writing(token, kind, 'append')
  }

  completed(token: Token, answer: CompleteAnswer): void {
    if (answer === 'dup' || answer === 'gap') return
    if (answer === 'lost') {
      if (this.#isMine(token) && (this.#state === 'running' || this.#state === 'unknown') && !this.#isExpired()) {
        this.wrong('I5', 'the outcome of the latest token is refused')
      }
      return
    }
    const grant = this.latest
    if (!this.#isMine(token) || grant === undefined) return this.wrong('I6', 'an outcome by an older token')
    if (this.#state !== 'running' && this.#state !== 'unknown') this.wrong('I2', `an outcome though ${this.#state}`)
    grant.incarnation.completedBy = grant
    this.#state = 'completed'
    this.#liveFor(grant.incarnation.retentionMs)
  }

  released(token: Token, { end, cooldownMs }: ReleaseTerms): void {
    const grant = this.latest
    if (!this.#isMine(token) || grant === undefined || this.#state !== 'running' || this.#isExpired()) return
    const { onCrash } = grant.incarnation
    switch (end) {
      case 'free':
        this.#state = 'gone'
        return
      case 'failed':
        return this.#opened(grant, this.#counted - 1, cooldownMs)
      case 'broken':
        if (onCrash === 'rerun') return this.#opened(grant, this.#counted, cooldownMs)
        break
      case 'cancelled':
        if (onCrash === 'rerun' || !grant.marked) {
          this.#state = 'gone'
          return
        }
    }
    this.#state = 'unknown'
    this.#liveFor(grant.incarnation.retentionMs)
  }

  #opened(grant: Grant, counted: number, cooldownMs: number): void {
    this.#state = 'open'
    this.#counted = counted
    this.#cooldownUntilMs = this.#clock.monotonicMs() + cooldownMs
    this.#liveFor(Math.max(counted > 0 ? grant.incarnation.retentionMs : openMs, cooldownMs))
  }

  /** An operator has removed the record, or asked its owner to stop. */
  operated(act: OperatorWish): void {
    if (this.latest !== undefined) this.latest.removed = true
    if (act !== 'cancel') this.#state = 'gone'
  }

  swept(): void {
    if (this.#isExpired()) this.#state = 'gone'
  }

  /** After every step: whether a record can be seen. */
  seen(isThere: boolean): void {
    if (!isThere && this.#state !== 'gone' && !this.#isExpired()) this.wrong('I9', `absent though ${this.#state}`)
    if (isThere && this.#state === 'completed' && this.#isExpired()) this.wrong('I9', 'shown past its end')
  }

  /** The latest token's run may have its effect: it holds the record. */
  get isRunning(): boolean {
    return this.#state === 'running' && !this.#isLapsed()
  }

  #writing(token: Token, kind: string, what: string): Grant | undefined {
    const running = this.#isMine(token) && this.#state === 'running' && !this.#isExpired()
    if (kind === 'lost') {
      if (running) this.wrong('I1', `${what} by the latest token is refused`)
    } else if (!running) {
      this.wrong(this.#isMine(token) ? 'I1' : 'I6', `${what} is taken from an older or ended token`)
    }
    return this.grants.get(token.fence)
  }

  #isMine({ fence, owner }: Token): boolean {
    return this.latest?.token.fence === fence && this.latest.token.owner === owner
  }

  #hasOwned(owner: string): boolean {
    for (const { token } of this.grants.values()) if (token.owner === owner) return true
    return false
  }

  #isLapsed(): boolean {
    return (this.latest?.leaseUntilMs ?? 0) + graceMs <= this.#clock.monotonicMs()
  }

  #isExpired(): boolean {
    return this.#aliveUntilMs <= this.#clock.wallMs() && (this.#state !== 'running' || this.#isLapsed())
  }

  #liveFor(ms: number, atLeastMs = 0): void {
    this.#aliveUntilMs = Math.max(atLeastMs, this.#clock.wallMs() + ms)
  }
}
