import type { Call } from 'retrysafe/internal/engine/claim'
import type { Surroundings } from 'retrysafe/internal/engine/clock'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { AttemptEnd, RecordLabel, StoreKey, Token } from 'retrysafe/internal/engine/record'
import { type ClaimAnswer, type ClaimTerms, graceMs, type Store } from 'retrysafe/internal/engine/store'
import type { Fingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import type { StoreErrorPolicy } from '../config/config.ts'
import { isUnavailable, Outage } from './outage.ts'

export interface StoreWatchTerms {
  readonly policy: StoreErrorPolicy
  readonly surroundings: Surroundings
  readonly log: (message: string) => void
}

type WatchedSteps = Pick<Store, 'claim' | 'renew' | 'append' | 'complete' | 'release' | 'read' | 'sweep'>

/** Claims that are remembered to be given back, at most: who made the rest waits for a lease. */
const maxAbandoned = 1_000

/**
 * Stands between the engine and its store, notices when the store does not answer, and knows what a request may do then.
 *
 * Under `open` a request is passed through only if nobody knows of a run of its key: not if the store has answered any
 * claim of this request (somebody runs it, or it is done), nor if a run of this process has an end, or may come to one,
 * that the store does not have.
 */
export class StoreWatch {
  /** The store, watched. */
  readonly store: Store
  readonly outage: Outage
  readonly #inner: Store
  readonly #terms: StoreWatchTerms
  /** By their label, which is each call's own: the store has answered a claim of theirs. */
  readonly #answered = new WeakSet<RecordLabel>()
  /** The same: their last claim got no answer, and may have been made. */
  readonly #unanswered = new WeakMap<RecordLabel, ClaimTerms>()
  /** The owners of the runs of this process. */
  readonly #running = new Map<StoreKey, string>()
  #abandoned: ClaimTerms[] = []
  #isGivingBack = false

  constructor(store: Store, terms: StoreWatchTerms) {
    this.#inner = store
    this.#terms = terms
    this.store = withSteps(store, this.#steps())
    this.outage = new Outage({ ...terms, tryStore: () => this.#try(), answered: () => void this.#giveBack() })
  }

  /** Why this process should get no requests, for who asks whether it is ready. */
  get unreadyReason(): string | undefined {
    return this.#terms.policy === 'closed' && this.outage.isCertain ? 'the store is out of reach' : undefined
  }

  /** Requests need not be claimed, nor their bodies be read: the store would not answer. */
  get isBypassed(): boolean {
    return this.#terms.policy === 'open' && this.outage.isCertain
  }

  /** A run of this process has the key, and the store does not have its end. */
  isRunning(key: StoreKey): boolean {
    return this.#running.has(key)
  }

  /**
   * The store failed this call, which is over with that, but for being passed through. What claim of it may stand, under
   * an owner that nobody is any more, is given back when the store is back: a retry would have to wait out its lease.
   *
   * @returns whether it may be passed through
   */
  failed({ label, key }: Call): boolean {
    const claim = this.#unanswered.get(label)
    this.#unanswered.delete(label)
    if (claim !== undefined && this.#abandoned.length < maxAbandoned) this.#abandoned.push(claim)
    return this.#terms.policy === 'open' && !this.#answered.has(label) && !this.isRunning(key)
  }

  close(): void {
    this.outage.close()
  }

  #steps(): WatchedSteps {
    const store = this.#inner
    return {
      claim: terms => this.#claim(terms),
      renew: async (key, token, change) => {
        const answer = await this.#watch(store.renew(key, token, change))
        if (answer.kind === 'lost') this.#isOver(key, token)
        return answer
      },
      append: async (key, token, piece) => {
        const answer = await this.#watch(store.append(key, token, piece))
        if (answer.kind === 'lost') this.#isOver(key, token)
        return answer
      },
      complete: async (key, token, piece) => {
        const answer = await this.#watch(store.complete(key, token, piece))
        // After a gap the same owner completes once more.
        if (answer !== 'gap') this.#isOver(key, token)
        return answer
      },
      release: async (key, token, terms) => {
        if (!mayHaveHadEffect(terms.end)) this.#isOver(key, token)
        const answer = await this.#watch(store.release(key, token, terms))
        this.#isOver(key, token)
        return answer
      },
      read: (key, fence, offsetBytes, limitBytes) => this.#watch(store.read(key, fence, offsetBytes, limitBytes)),
      sweep: limit => this.#watch(store.sweep(limit)),
    }
  }

  async #claim(terms: ClaimTerms): Promise<ClaimAnswer> {
    const { label, key, owner } = terms
    try {
      const answer = await this.#inner.claim(terms)
      this.#unanswered.delete(label)
      this.#answered.add(label)
      if (answer.kind === 'acquired') this.#running.set(key, owner)
      return answer
    } catch (error) {
      this.#unanswered.set(label, terms)
      throw this.#noted(error)
    }
  }

  async #watch<Answer>(step: Promise<Answer>): Promise<Answer> {
    try {
      return await step
    } catch (error) {
      throw this.#noted(error)
    }
  }

  #noted(error: unknown): unknown {
    if (isUnavailable(error)) this.outage.met(error)
    return error
  }

  #isOver(key: StoreKey, { owner }: Token): void {
    if (this.#running.get(key) === owner) this.#running.delete(key)
  }

  /** Claims and frees a key of its own, by the steps that requests need. */
  async #try(): Promise<void> {
    const { random } = this.#terms.surroundings
    const name = (): string => Buffer.from(random.bytes(16)).toString('base64url')
    const key = storeKey('', 'store watch', name())
    const answer = await this.#inner.claim({
      key,
      raw: `0${key}` as Fingerprint,
      owner: name(),
      leaseMs: 1,
      retentionMs: 1_000,
      onCrash: 'rerun',
      maxAttempts: 1,
      label: { operation: 'store watch', tenant: '' },
    })
    if (answer.kind === 'acquired') await this.#inner.release(key, answer.token, { end: 'free', cooldownMs: 0 })
  }

  async #giveBack(): Promise<void> {
    if (this.#isGivingBack) return
    this.#isGivingBack = true
    try {
      for (let claim = this.#abandoned[0]; claim !== undefined; claim = this.#abandoned[0]) {
        await giveBack(this.#inner, claim)
        this.#abandoned.shift()
      }
    } catch {
      // The rest when it answers again.
    } finally {
      this.#isGivingBack = false
    }
  }
}

/**
 * Frees the key, if that claim was made: claiming again with the same owner tells. Only where somebody runs whose lease
 * is not over, so that nothing is claimed that was not claimed before.
 */
async function giveBack(store: Store, claim: ClaimTerms): Promise<void> {
  const record = await store.get(claim.key)
  if (record?.state !== 'running' || (record.leaseLeftMs ?? 0) <= -graceMs) return
  const answer = await store.claim(claim)
  if (answer.kind === 'acquired') await store.release(claim.key, answer.token, { end: 'free', cooldownMs: 0 })
}

function mayHaveHadEffect(end: AttemptEnd): boolean {
  switch (end) {
    case 'free':
    case 'failed':
      return false
    case 'broken':
    case 'cancelled':
      return true
  }
}

/** The same store, but for these steps. */
function withSteps(store: Store, steps: WatchedSteps): Store {
  const bound = new Map<PropertyKey, unknown>()
  return new Proxy(store, {
    get(target, name) {
      const step: unknown = Reflect.get(steps, name)
      if (step !== undefined) return step
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (!bound.has(name)) bound.set(name, member.bind(target))
      return bound.get(name)
    },
  })
}
