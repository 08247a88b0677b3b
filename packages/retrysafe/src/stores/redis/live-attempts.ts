import type { StoreKey, Token } from '../../engine/record.ts'
import type { ClaimTerms } from '../../engine/store.ts'

/** Attempts of this process at most; more than that are no longer brought back after the server forgot them. */
const most = 100_000

export interface LiveAttempt {
  readonly terms: ClaimTerms
  readonly attempt: number
}

/** The attempts that this process holds: what their records would have to say if the server should forget them. */
export class LiveAttempts {
  readonly #byName = new Map<string, LiveAttempt>()

  begun(terms: ClaimTerms, token: Token, attempt: number): void {
    this.#byName.set(nameOf(terms.key, token), { terms, attempt })
    if (this.#byName.size <= most) return
    for (const name of this.#byName.keys()) return void this.#byName.delete(name)
  }

  ended(key: StoreKey, token: Token): void {
    this.#byName.delete(nameOf(key, token))
  }

  find(key: StoreKey, token: Token): LiveAttempt | undefined {
    return this.#byName.get(nameOf(key, token))
  }
}

/** The whole of it: whoever gives two attempts one owner must not see the one brought back as the other. */
function nameOf(key: StoreKey, { fence, owner }: Token): string {
  return `${fence} ${owner} ${key}`
}
