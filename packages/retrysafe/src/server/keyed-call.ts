import type { Call } from '../engine/claim.ts'
import { storeKey } from '../engine/identity.ts'
import type { CallPolicy } from '../engine/policy.ts'
import type { CrashPolicy, RecordLabel, StoreKey } from '../engine/record.ts'
import { bodyForm, type CanonicalBody } from '../fingerprint/canonical-body.ts'
import { codingsOf } from '../fingerprint/content-coding.ts'
import {
  canonicalFingerprint,
  type Fingerprint,
  type FingerprintInput,
  parsedFingerprint,
  rawFingerprint,
} from '../fingerprint/fingerprint.ts'
import type { KeyedHash } from '../fingerprint/keyed-hash.ts'

/** What of a request with a key makes its call. */
export interface KeyedCallTerms {
  readonly policy: CallPolicy
  readonly fingerprintKey: KeyedHash
  /** Makes the body's canonical form, elsewhere where that takes long. */
  readonly canonicalBody: (input: FingerprintInput, signal?: AbortSignal) => CanonicalBody | Promise<CanonicalBody>
  readonly operation: string
  readonly tenant: string
  readonly key: string
  readonly input: FingerprintInput
  /** The body's bytes are gone: `input.body` is canonical JSON of what a parser left. Default false. */
  readonly isParsed?: boolean
  /** Where it has been made already: it goes with the first claim. */
  readonly canonical?: Fingerprint
  /** Names the call together with its key: another payload is then another call. Made by `forkCall`. */
  readonly fork?: Fingerprint
  readonly waitMs: number
  /** Runs that may follow a failed one, unseen by the caller: 0 to 10. Default 0. */
  readonly retries?: number
  /** Fires when the caller has left; made when it is asked for. */
  readonly gone: () => AbortSignal
}

/**
 * The call that key and payload name together. Its canonical form is made before the claim.
 *
 * Rejects as `canonicalBody` does.
 */
export async function forkCall(terms: KeyedCallTerms): Promise<KeyedCall> {
  const unforked = new KeyedCall(terms)
  return new KeyedCall({ ...terms, fork: await unforked.canonical(unforked.signal) })
}

/** A request as the engine takes it; what most calls never need is made when it is asked for. */
export class KeyedCall implements Call {
  readonly key: StoreKey
  readonly raw: Fingerprint
  readonly leaseMs: number
  readonly retentionMs: number
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
  /** Set anew for each run after the first. */
  waitMs: number
  readonly retries: number
  readonly failedRuns: Set<number> = new Set()
  readonly label: RecordLabel
  /**
   * A boundary is new at every retry, a compressor may put a time into its head, and so may who leaves members out: then
   * raw forms never agree. A forked call has it anyway.
   */
  readonly canonicalFirst: boolean
  /** Set once a run has lost its record: it joins whoever has it, and runs no second time. */
  mayRun = true
  readonly #fingerprintKey: KeyedHash
  readonly #input: FingerprintInput
  readonly #canonicalBody: KeyedCallTerms['canonicalBody']
  readonly #gone: () => AbortSignal
  #canonical: Fingerprint | Promise<Fingerprint> | undefined
  #comparedAs: string | undefined

  constructor(terms: KeyedCallTerms) {
    const { policy, fingerprintKey, operation, tenant, key, input, waitMs } = terms
    this.key =
      terms.fork === undefined ? storeKey(tenant, operation, key) : storeKey(tenant, operation, key, terms.fork)
    this.raw = terms.isParsed ? parsedFingerprint(fingerprintKey, input) : rawFingerprint(fingerprintKey, input)
    this.leaseMs = policy.leaseMs
    this.retentionMs = policy.retentionMs
    this.onCrash = policy.onCrash
    this.maxAttempts = policy.maxAttempts
    this.waitMs = waitMs
    this.retries = terms.retries ?? 0
    const { method, path } = input
    this.label = { key, operation, tenant: tenant.slice(0, 8), method, path: path.slice(0, 256) }
    const canonical = terms.fork ?? terms.canonical
    this.canonicalFirst = canonical !== undefined || (!terms.isParsed && isNewEachTime(input))
    this.#fingerprintKey = fingerprintKey
    this.#canonicalBody = terms.canonicalBody
    this.#input = input
    this.#gone = terms.gone
    this.#canonical = terms.isParsed ? this.raw : canonical
  }

  readonly canonical = (signal?: AbortSignal): Fingerprint | Promise<Fingerprint> => {
    if (this.#canonical === undefined) {
      const body = this.#canonicalBody(this.#input, signal)
      this.#canonical = body instanceof Promise ? body.then(made => this.#fingerprint(made)) : this.#fingerprint(body)
    }
    return this.#canonical
  }

  /**
   * Why the body counts by its bytes as sent, for the caller to read: it is not what it claims to be. `undefined` where
   * it has been read, or nobody has asked yet.
   */
  get comparedAs(): string | undefined {
    return this.#comparedAs
  }

  /** Fires when the caller has left. */
  get signal(): AbortSignal {
    return this.#gone()
  }

  #fingerprint(body: CanonicalBody): Fingerprint {
    this.#comparedAs = body.kind === 'as sent' ? body.reason : undefined
    return canonicalFingerprint(this.#fingerprintKey, this.#input, body)
  }
}

function isNewEachTime({ mediaType, contentEncoding, leaveOut }: FingerprintInput): boolean {
  const form = bodyForm(mediaType)
  return form === 'multipart' || (form === 'json' && leaveOut !== undefined) || codingsOf(contentEncoding).length > 0
}
