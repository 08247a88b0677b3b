import type { Surroundings, Timer } from './clock.ts'
import { elapsedMs, type Instant, instant } from './instant.ts'
import type { StoreKey, Token } from './record.ts'
import { graceMs, type LeaseChange, type RenewAnswer, type Store } from './store.ts'

/** The owner tells its canonical fingerprint by itself after this, if no write has carried it. */
const noteMs = 100

export interface LeaseTerms {
  readonly store: Store
  readonly key: StoreKey
  readonly token: Token
  readonly leaseMs: number
  readonly surroundings: Surroundings
  /** When the claim was sent, not when it was answered. */
  readonly claimedAt: Instant
}

/** What the store tells the owner with a renewal. */
export interface LeaseEvents {
  /** What a beat says beside. */
  beatSays(): Omit<LeaseChange, 'leaseMs'>
  /** The lease is as old as `noteMs`: short calls never get there. */
  aged(): void
  /** A renewal that said this was acknowledged. */
  renewed(said: Omit<LeaseChange, 'leaseMs'>): void
  lost(): void
  cancelled(): void
  followed(): void
}

/** Keeps a claim alive: beats at a third of the lease, and knows until when this process may begin something new. */
export class Lease {
  readonly #terms: LeaseTerms
  readonly #events: LeaseEvents
  #countedFrom: Instant
  #beat: Timer | undefined
  #gaveUp = false
  #ended = false

  constructor(terms: LeaseTerms, events: LeaseEvents) {
    this.#terms = terms
    this.#events = events
    this.#countedFrom = terms.claimedAt
    // One timer for both: most calls are over before it first fires.
    this.#beat = terms.surroundings.timers.after(noteMs, () => {
      this.#beatIn(terms.leaseMs / 3 - noteMs)
      events.aged()
    })
  }

  /** Past this nothing new may begin (a mark, a step, a first dispatch): another process may be about to take over. */
  isPastDeadline(): boolean {
    const marginMs = Math.min(graceMs, this.#terms.leaseMs / 3)
    return elapsedMs(this.#countedFrom, this.#terms.surroundings.clock) >= this.#terms.leaseMs - marginMs
  }

  /** Renews, and says what `change` says. Rejects as the store does. */
  async renew(change: Omit<LeaseChange, 'leaseMs'> = {}): Promise<RenewAnswer> {
    const { store, key, token, leaseMs } = this.#terms
    const sentAt = instant(this.#terms.surroundings.clock)
    const answer = await store.renew(key, token, { ...change, leaseMs })
    // A renewal that was on its way has undone the giving up.
    if (this.#gaveUp) this.#renewToNothing().catch(() => {})
    if (this.#ended) return answer
    switch (answer.kind) {
      case 'ok':
        this.#countedFrom = sentAt
        this.#events.renewed(change)
        if (answer.followed) this.#events.followed()
        if (answer.cancelled) this.#events.cancelled()
        return answer
      case 'lost':
        this.end()
        this.#events.lost()
        return answer
      case 'busy':
        return answer
    }
  }

  /** No more beats. What the store granted runs out by itself. */
  end(): void {
    this.#ended = true
    this.#beat?.cancel()
  }

  /** Lets others take over at once: this process is going away. */
  async giveUp(): Promise<void> {
    this.end()
    this.#gaveUp = true
    await this.#renewToNothing()
  }

  async #renewToNothing(): Promise<void> {
    await this.#terms.store.renew(this.#terms.key, this.#terms.token, { leaseMs: 0 })
  }

  #beatIn(delayMs: number): void {
    if (this.#ended) return
    this.#beat = this.#terms.surroundings.timers.after(delayMs, () => {
      void this.#renewAndGoOn()
    })
  }

  async #renewAndGoOn(): Promise<void> {
    const { leaseMs, surroundings } = this.#terms
    const retryMs = Math.min(leaseMs / 3, 1_000) * (0.5 + surroundings.random.unit() / 2)
    try {
      const answer = await this.renew(this.#events.beatSays())
      this.#beatIn(answer.kind === 'busy' ? retryMs : leaseMs / 3)
    } catch {
      // The store is out of reach: the lease may still hold when it is back, so keep asking.
      this.#beatIn(retryMs)
    }
  }
}
