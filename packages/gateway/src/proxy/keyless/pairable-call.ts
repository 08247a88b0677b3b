import { storeKey } from 'retrysafe/internal/engine/identity'
import type { StoreKey } from 'retrysafe/internal/engine/record'
import type { Fingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import { patienceOf } from 'retrysafe/internal/protocol/wait'
import type { KeyedRequest } from '../keyed.ts'
import type { ProxyParts, RoutedRequest } from '../parts.ts'
import { canonicalOf } from './canonical.ts'

/** Longest life of an offer: SDKs come again within seconds. */
const offerMs = 120_000
/** Outcomes that nobody but a retry can ask for need not stay as long as those with a key; no retry comes later. */
const maxRetentionMs = 600_000
/** What is left of a client's patience after its own time-out, which the SDK tells in whole seconds, rounded down. */
const lingerMs = 1_000

/** An attempt that is offered, or taken. */
export interface Offered {
  /** Drawn when its client left. */
  readonly key: string
  readonly storeKey: StoreKey
  readonly fence: number
}

/** One attempt of a call without a key, whose retry could be told. */
export class PairableCall {
  readonly routed: RoutedRequest
  readonly tenant: string
  readonly body: Buffer
  /** Which attempt of its call it says it is. */
  readonly count: number
  /** When its client must have given up, on the monotonic clock; infinite where it does not say. */
  readonly abandonedAtMs: number
  readonly #parts: ProxyParts
  #canonical: Promise<Fingerprint> | undefined

  constructor(parts: ProxyParts, routed: RoutedRequest, facts: { tenant: string; body: Buffer; count: number }) {
    this.#parts = parts
    this.routed = routed
    this.tenant = facts.tenant
    this.body = facts.body
    this.count = facts.count
    const patienceMs = patienceOf(routed.head.wait) ?? Number.POSITIVE_INFINITY
    this.abandonedAtMs = parts.pairing.surroundings.clock.monotonicMs() + patienceMs + lingerMs
  }

  /** Where attempts stay that may be the same call, by what costs nothing to know. */
  place(count: number = this.count): string {
    const { request, route } = this.routed
    return `${count} ${this.tenant} ${route.upstream.name} ${request.method} ${route.path}`
  }

  /** Rejects as the making of canonical bodies does. */
  canonical(): Promise<Fingerprint> {
    this.#canonical ??= canonicalOf(this.#parts, this.routed, this.body)
    return this.#canonical
  }

  /** Where attempts of this call are offered: nobody else's, and no other request's. */
  async pairKey(): Promise<string> {
    return storeKey(this.tenant, this.routed.route.upstream.name, 'sdk-retries', await this.canonical())
  }

  /** The same as a request with that key. */
  async keyed(key: string): Promise<KeyedRequest> {
    const { routed, tenant, body } = this
    const retentionMs = Math.min(routed.rules.retentionMs, maxRetentionMs)
    const rules = { ...routed.rules, keyReuse: 'reject', expiryAware: false, retentionMs } as const
    return { ...routed, rules, key, tenant, body, canonical: await this.canonical() }
  }

  /** Lets one retry of this attempt have that run. Rejects as the store does. */
  async offer({ storeKey: key, fence }: Omit<Offered, 'key'>): Promise<void> {
    const { engine, pairing } = this.#parts
    const pairKey = await this.pairKey()
    await engine.store.offer(pairKey, { key, fence, count: this.count, ttlMs: offerMs })
    pairing.stays.offered(this.place(), pairKey)
  }
}
