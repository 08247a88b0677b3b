import { hash } from 'node:crypto'
import type { StoreKey, Token } from '../../packages/retrysafe/src/engine/record.ts'
import type { Fingerprint } from '../../packages/retrysafe/src/fingerprint/fingerprint.ts'

/**
 * What a recording calls by short names, as the replay's store knows it: keys and fingerprints in their full form, and
 * the fences that this store gave where the recorded one gave its own.
 */
export class ReplayNames {
  readonly #seed: number
  readonly #fences = new Map<StoreKey, Map<number, number>>()
  readonly #highest = new Map<StoreKey, number>()

  constructor(seed: number) {
    this.#seed = seed
  }

  key(key: StoreKey): StoreKey {
    return hash('sha256', `${this.#seed} ${key}`, 'base64url') as StoreKey
  }

  fingerprint(name: Fingerprint): Fingerprint {
    return `2${hash('sha256', name, 'base64url')}` as Fingerprint
  }

  /** One that nobody was given stays as it is. */
  fence(key: StoreKey, recorded: number): number {
    return this.#fences.get(key)?.get(recorded) ?? recorded
  }

  token(key: StoreKey, { fence, owner }: Token): Token {
    return { fence: this.fence(key, fence), owner }
  }

  canonical({ canonical }: { readonly canonical?: Fingerprint }): { canonical?: Fingerprint } {
    return canonical === undefined ? {} : { canonical: this.fingerprint(canonical) }
  }

  /** Notes that the store gave `actual` where the recorded one gave `recorded`; answers what is wrong with that. */
  given(key: StoreKey, recorded: number, actual: number): string | undefined {
    const fences = this.#fences.get(key) ?? new Map<number, number>()
    this.#fences.set(key, fences)
    if (fences.has(recorded)) return undefined
    const highest = this.#highest.get(key) ?? 0
    fences.set(recorded, actual)
    this.#highest.set(key, Math.max(highest, actual))
    return actual > highest ? undefined : `the fence ${actual} does not rise: ${highest} was given before`
  }
}
