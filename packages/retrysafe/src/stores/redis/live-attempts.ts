import type { StoreKey, Token } from '../../engine/record.ts'
import type { ClaimAnswer, ClaimTerms } from '../../engine/store.ts'
import type { Fingerprint } from '../../fingerprint/fingerprint.ts'

/** Attempts of this process at most; more than that are no longer brought back after the server forgot them. */
const most = 100_000

export interface LiveAttempt {
  /** As the record has them by now. */
  readonly terms: ClaimTerms
  readonly attempt: number
}

/** The attempts that this process holds: what their records would have to say if the server should forget them. */
export class LiveAttempts {
  readonly #byName = new Map<string, LiveAttempt>()

  begun(terms: ClaimTerms, { token, attempt, onCrash }: Extract<ClaimAnswer, { kind: 'acquired' }>): void {
    // A takeover does not change the record's own policy.
    const its = onCrash === terms.onCrash ? terms : { ...terms, onCrash }
    this.#byName.set(nameOf(terms.key, token), { terms: its, attempt })
    if (this.#byName.size <= most) return
    for (const name of this.#byName.keys()) return void this.#byName.delete(name)
  }

  /** The record has heard it, and the owner will not say it again. */
  told(key: StoreKey, token: Token, canonical: Fingerprint | undefined): void {
    if (canonical === undefined) return
    const live = this.find(key, token)
    if (live !== undefined) this.#byName.set(nameOf(key, token), { ...live, terms: { canonical, ...live.terms } })
  }

  ended(key: StoreKey, token: Token): void {
    this.#byName.delete(nameOf(key, token))
  }

  /** What had ended has not: nobody knows whether the server has heard it. */
  goesOn(token: Token, live: LiveAttempt): void {
    this.#byName.set(nameOf(live.terms.key, token), live)
  }

  find(key: StoreKey, token: Token): LiveAttempt | undefined {
    return this.#byName.get(nameOf(key, token))
  }
}

/** The whole of it: whoever gives two attempts one owner must not see the one brought back as the other. */
function nameOf(key: StoreKey, { fence, owner }: Token): string {
  return `${fence} ${owner} ${key}`
}
