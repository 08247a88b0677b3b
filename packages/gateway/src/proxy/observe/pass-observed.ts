import { canonicalFingerprint, type Fingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import type { UpstreamHead } from '../answer-head.ts'
import { readTenant } from '../caller.ts'
import { inputOf } from '../keyed.ts'
import type { ProxyParts, RoutedRequest } from '../parts.ts'
import { type PassTap, pass } from '../pass.ts'
import type { UpstreamFailure } from '../upstream.ts'
import { AnswerTap } from './answer-tap.ts'
import { BodyTap, type KeptBytes } from './body-tap.ts'
import type { ObservedCall } from './observed-call.ts'
import type { Observer } from './observer.ts'

const kept: KeptBytes = { bytes: 0 }
const notRead = { kind: 'as sent', reason: 'its bytes alone were seen' } as const

/**
 * `--observe`: the request passes as if we were not there, and what it is a duplicate of is found out beside it.
 *
 * @param counted its key, if it has one; absent: with us it would be refused or bypassed, so it is not compared
 */
export function passObserved(
  parts: ProxyParts,
  observer: Observer,
  routed: RoutedRequest,
  counted: { key: string | undefined } | undefined,
): Promise<void> {
  const { response, route } = routed
  const passed = { ...routed, notice: undefined }
  if (counted === undefined) return pass(route.upstream, { ...passed, tap: blindTap })
  const tap = new ObservingTap(parts, observer, routed, counted.key)
  response.once('close', () => {
    if (!response.writableFinished) tap.clientLeft()
  })
  return pass(route.upstream, { ...passed, tap })
}

/** What goes by is not looked at, and is left as it is. */
const blindTap: PassTap = { sent() {}, sentAll() {}, head() {}, data() {}, end() {} }

class ObservingTap implements PassTap {
  readonly #parts: ProxyParts
  readonly #observer: Observer
  readonly #routed: RoutedRequest
  readonly #key: string | undefined
  readonly #call: ObservedCall
  readonly #body = new BodyTap(kept)
  #answer: AnswerTap | undefined
  #isCompared = false

  constructor(parts: ProxyParts, observer: Observer, routed: RoutedRequest, key: string | undefined) {
    this.#parts = parts
    this.#observer = observer
    this.#routed = routed
    this.#key = key
    this.#call = observer.open()
  }

  clientLeft(): void {
    this.#call.left(this.#answer?.isStream ?? false)
  }

  sent(bytes: Buffer): void {
    this.#body.write(bytes)
  }

  sentAll(): void {
    if (this.#isCompared) return
    this.#isCompared = true
    this.#fingerprint()
      .then(fingerprint => this.#compare(fingerprint))
      // Too many large bodies wait to be compared, or the gateway is closing: this one is not.
      .catch(() => this.#observer.notCompared())
      .finally(() => this.#body.drop())
  }

  head(head: UpstreamHead): void {
    const { route, rules } = this.#routed
    this.#answer = new AnswerTap(head, route.upstream.basePath + route.path, rules.recordStatus)
  }

  data(bytes: Buffer): void {
    this.#answer?.write(bytes)
  }

  end(failure: UpstreamFailure | undefined): void {
    // Cut short while it was taken in: it is never compared.
    if (!this.#isCompared && !this.#routed.request.complete) this.#body.drop()
    if (this.#answer === undefined) return this.#call.ended({ succeeded: false, report: undefined })
    this.#answer.end(failure === undefined, end => this.#call.ended(end))
  }

  async #fingerprint(): Promise<Fingerprint> {
    const { engine, canonicalBodies } = this.#parts
    const { fingerprintKey } = engine.identity
    const seen = this.#body.end()
    if (seen.kind === 'hashed') {
      return canonicalFingerprint(fingerprintKey, inputOf(this.#routed, seen.digest), notRead)
    }
    const input = inputOf(this.#routed, seen.bytes)
    return canonicalFingerprint(fingerprintKey, input, await canonicalBodies.of(input))
  }

  #compare(fingerprint: Fingerprint): void {
    const { engine, anonymous } = this.#parts
    const { request, head, route, rules, query } = this.#routed
    const { identity } = engine
    const { retryCount, wait } = head
    this.#observer.compare(this.#call, {
      // Who sends no credential is one tenant here, where others would be told that one is missing.
      tenant: readTenant(identity, rules.tenant, head, query, anonymous, request.socket) ?? identity.tenantNamed(''),
      upstream: route.upstream.name,
      path: route.path,
      upstreamPath: route.upstream.basePath + route.path,
      fingerprint,
      key: this.#key,
      forks: rules.keyReuse === 'fork',
      count: retryCount !== undefined && /^\d{1,3}$/.test(retryCount) ? Number(retryCount) : undefined,
      timeoutMs: secondsIn(wait.stainlessTimeout ?? wait.stainlessReadTimeout),
      retentionMs: rules.retentionMs,
      windowMs: rules.fingerprintWindowMs,
      goesOn: rules.onDisconnect === 'auto' ? undefined : rules.onDisconnect !== 0,
    })
  }
}

/** An SDK that rounds down to 0 has said nothing. */
function secondsIn(text: string | undefined): number | undefined {
  const seconds = text !== undefined && /^\d{1,6}(?:\.\d{1,6})?$/.test(text) ? Number(text) : 0
  return seconds > 0 ? seconds * 1_000 : undefined
}
