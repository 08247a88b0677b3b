import type { ServerResponse } from 'node:http'
import type { Call } from 'retrysafe/internal/engine/claim'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { CrashPolicy, RecordLabel, StoreKey } from 'retrysafe/internal/engine/record'
import { bodyForm, type CanonicalBody } from 'retrysafe/internal/fingerprint/canonical-body'
import { codingsOf } from 'retrysafe/internal/fingerprint/content-coding'
import {
  canonicalFingerprint,
  type Fingerprint,
  type FingerprintInput,
  rawFingerprint,
} from 'retrysafe/internal/fingerprint/fingerprint'
import type { KeyedHash } from 'retrysafe/internal/fingerprint/keyed-hash'
import type { GatewayConfig } from '../config/config.ts'
import type { CanonicalBodies } from './canonical-bodies.ts'

/** What of a request with a key makes its call. */
export interface KeyedCallTerms {
  readonly config: GatewayConfig
  readonly fingerprintKey: KeyedHash
  readonly canonicalBodies: CanonicalBodies
  readonly upstream: string
  readonly tenant: string
  readonly key: string
  readonly input: FingerprintInput
  readonly waitMs: number
  readonly response: ServerResponse
}

/** A request as the engine takes it; what most calls never need is made when it is asked for. */
export class KeyedCall implements Call {
  readonly key: StoreKey
  readonly raw: Fingerprint
  readonly leaseMs: number
  readonly retentionMs: number
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
  readonly waitMs: number
  readonly label: RecordLabel
  /** A boundary is new at every retry, and a compressor may put a time into its head: then raw forms never agree. */
  readonly canonicalFirst: boolean
  /** Set once a run has lost its record: it joins whoever has it, and runs no second time. */
  mayRun = true
  readonly #fingerprintKey: KeyedHash
  readonly #input: FingerprintInput
  readonly #response: ServerResponse
  readonly #canonicalBodies: CanonicalBodies
  #canonical: Fingerprint | Promise<Fingerprint> | undefined
  #comparedAs: string | undefined
  #gone: AbortController | undefined

  constructor(terms: KeyedCallTerms) {
    const { config, fingerprintKey, canonicalBodies, upstream, tenant, key, input, waitMs, response } = terms
    this.key = storeKey(tenant, upstream, key)
    this.raw = rawFingerprint(fingerprintKey, input)
    this.leaseMs = config.leaseMs
    this.retentionMs = config.retentionMs
    this.onCrash = config.onCrash
    this.maxAttempts = config.maxAttempts
    this.waitMs = waitMs
    const { method, path } = input
    this.label = { key, operation: upstream, tenant: tenant.slice(0, 8), method, path: path.slice(0, 256) }
    this.canonicalFirst = bodyForm(input.mediaType) === 'multipart' || codingsOf(input.contentEncoding).length > 0
    this.#fingerprintKey = fingerprintKey
    this.#canonicalBodies = canonicalBodies
    this.#input = input
    this.#response = response
  }

  readonly canonical = (signal?: AbortSignal): Fingerprint | Promise<Fingerprint> => {
    if (this.#canonical === undefined) {
      const body = this.#canonicalBodies.of(this.#input, signal)
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
    if (this.#gone === undefined) {
      const gone = new AbortController()
      this.#gone = gone
      if (this.#response.destroyed) gone.abort()
      else this.#response.on('close', () => gone.abort())
    }
    return this.#gone.signal
  }

  #fingerprint(body: CanonicalBody): Fingerprint {
    this.#comparedAs = body.kind === 'as sent' ? body.reason : undefined
    return canonicalFingerprint(this.#fingerprintKey, this.#input, body)
  }
}
