import type { ServerResponse } from 'node:http'
import type { Call } from 'retrysafe/internal/engine/claim'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { CrashPolicy, RecordLabel, StoreKey } from 'retrysafe/internal/engine/record'
import {
  canonicalFingerprint,
  type Fingerprint,
  type FingerprintInput,
  rawFingerprint,
} from 'retrysafe/internal/fingerprint/fingerprint'
import type { KeyedHash } from 'retrysafe/internal/fingerprint/keyed-hash'
import type { GatewayConfig } from '../config/config.ts'

/** What of a request with a key makes its call. */
export interface KeyedCallTerms {
  readonly config: GatewayConfig
  readonly fingerprintKey: KeyedHash
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
  /** Set once a run has lost its record: it joins whoever has it, and runs no second time. */
  mayRun = true
  readonly #fingerprintKey: KeyedHash
  readonly #input: FingerprintInput
  readonly #response: ServerResponse
  #canonical: Fingerprint | undefined
  #gone: AbortController | undefined

  constructor({ config, fingerprintKey, upstream, tenant, key, input, waitMs, response }: KeyedCallTerms) {
    this.key = storeKey(tenant, upstream, key)
    this.raw = rawFingerprint(fingerprintKey, input)
    this.leaseMs = config.leaseMs
    this.retentionMs = config.retentionMs
    this.onCrash = config.onCrash
    this.maxAttempts = config.maxAttempts
    this.waitMs = waitMs
    const { method, path } = input
    this.label = { key, operation: upstream, tenant: tenant.slice(0, 8), method, path: path.slice(0, 256) }
    this.#fingerprintKey = fingerprintKey
    this.#input = input
    this.#response = response
  }

  readonly canonical = (): Fingerprint => {
    this.#canonical ??= canonicalFingerprint(this.#fingerprintKey, this.#input)
    return this.#canonical
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
}
