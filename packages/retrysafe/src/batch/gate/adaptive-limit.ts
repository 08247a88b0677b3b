import { LatencyLimit } from './latency-limit.ts'
import { ThrottleLimit } from './throttle-limit.ts'

/** The most that may be under way: the lesser of what refusals and what waiting times allow; or fixed. */
export class AdaptiveLimit {
  readonly #most: number
  readonly #adaptive: boolean
  readonly #byThrottles: ThrottleLimit
  readonly #byLatency: LatencyLimit

  constructor(most: number, adaptive: boolean) {
    this.#most = most
    this.#adaptive = adaptive
    this.#byThrottles = new ThrottleLimit(most)
    this.#byLatency = new LatencyLimit(most)
  }

  get limit(): number {
    return this.#adaptive ? Math.min(this.#byThrottles.limit, this.#byLatency.limit) : this.#most
  }

  /**
   * An answer to what was begun after the last cut, and while the limit was made use of.
   *
   * @returns true when it led to a cut
   */
  answered(latencyMs: number, nowMs: number): boolean {
    if (!this.#adaptive) return false
    this.#byThrottles.answered()
    return this.#byLatency.answered(latencyMs, nowMs, this.limit)
  }

  throttled(): void {
    this.#byThrottles.throttled()
  }
}
