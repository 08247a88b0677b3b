import type { Surroundings, Timer } from 'retrysafe/internal/engine/clock'
import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import type { StoreErrorPolicy } from '../config/config.ts'

/** How often a store that did not answer is tried (before jitter). */
const tryMs = 1_000

export interface OutageTerms {
  readonly policy: StoreErrorPolicy
  /** Asks the store for what a request asks it for; rejects with `STORE_UNAVAILABLE` while it is out of reach. */
  readonly tryStore: () => Promise<void>
  /** Called whenever the store was tried and answered. */
  readonly answered: () => void
  readonly surroundings: Surroundings
  readonly log: (message: string) => void
}

/**
 * The times in which the store is out of reach. One begins with the first step that got no answer, and is over when the
 * store has answered two tries in a row, and every step between them. It is told by two lines: one as soon as it meets a
 * request or the next try, one when it is over, with how many requests it met.
 */
export class Outage {
  readonly #terms: OutageTerms
  #state: 'none' | 'suspected' | 'certain' | 'closed' = 'none'
  /** No step has gone unanswered since the last try that was answered. */
  #isCalm = false
  /** What the first step said. */
  #reason = ''
  #isTold = false
  #begunMs = 0
  #answeredMs = 0
  #passed = 0
  #refused = 0
  #timer: Timer | undefined

  constructor(terms: OutageTerms) {
    this.#terms = terms
  }

  /** The last try got no answer either: another step would only wait for its time-out. */
  get isCertain(): boolean {
    return this.#state === 'certain'
  }

  /** A step got no answer. */
  met(error: RetrysafeError): void {
    this.#isCalm = false
    if (this.#state !== 'none') return
    this.#state = 'suspected'
    this.#reason = error.message
    this.#isTold = false
    this.#begunMs = this.#terms.surroundings.clock.monotonicMs()
    this.#passed = 0
    this.#refused = 0
    void this.#try()
  }

  countPassed(): void {
    this.#passed++
    this.#tell()
  }

  countRefused(): void {
    this.#refused++
    this.#tell()
  }

  close(): void {
    this.#state = 'closed'
    this.#timer?.cancel()
  }

  #tell(): void {
    const isOn = this.#state === 'suspected' || this.#state === 'certain'
    if (this.#isTold || !isOn) return
    this.#isTold = true
    const { policy, log } = this.#terms
    const fate = policy === 'open' ? 'passed through, without protection,' : 'refused'
    log(
      `the store is out of reach: requests with a key are ${fate} until it is back (--on-store-error ${policy}): ${this.#reason}`,
    )
  }

  async #try(): Promise<void> {
    const { tryStore, answered, surroundings } = this.#terms
    const { clock, random, timers } = surroundings
    const isThere = await tryStore().then(
      () => true,
      error => !isUnavailable(error),
    )
    if (this.#state === 'closed') return
    if (isThere) {
      if (!this.#isCalm) this.#answeredMs = clock.monotonicMs()
      answered()
    }
    if (isThere && this.#isCalm) return this.#end()
    this.#isCalm = isThere
    this.#state = isThere ? 'suspected' : 'certain'
    if (!isThere) this.#tell()
    this.#timer = timers.after(tryMs * (0.5 + random.unit()), () => void this.#try())
  }

  #end(): void {
    this.#state = 'none'
    if (!this.#isTold) return
    const seconds = ((this.#answeredMs - this.#begunMs) / 1_000).toFixed(1)
    this.#terms.log(
      `the store is back after ${seconds} s; requests with a key meanwhile: ${this.#passed} passed through, ${this.#refused} refused`,
    )
  }
}

/** The store has no room for anything new: nothing has begun. */
export function isFull(error: unknown): error is RetrysafeError {
  return error instanceof RetrysafeError && error.code === 'STORE_FULL'
}

/** The store did not answer: what it was asked for may or may not have been done. */
export function isUnavailable(error: unknown): error is RetrysafeError {
  return error instanceof RetrysafeError && error.code === 'STORE_UNAVAILABLE'
}
