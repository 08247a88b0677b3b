import type { Random } from '../../engine/clock.ts'

/** A `Retry-After` is believed up to here; whoever means longer says so again. */
const mostHoldMs = 600_000
const mostRampMs = 10_000
/** Without an answer yet nobody knows how long one takes. */
const unknownLatencyMs = 1_000

/**
 * A door that stays shut for a while, and then opens gently: those that wait are let in one by one over the time that a
 * call takes, so that they don't all come at once to someone who has just asked for patience.
 */
export class Hold {
  readonly #random: Random
  #untilMs = 0
  #rampEndMs = 0
  #gapMs = 0
  #nextMs = 0

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * Nobody enters for so long; a hold that ends later stays.
   *
   * @param limit how many may be under way when it opens
   * @param latencyMs how long a call takes, if that is known
   */
  shut(forMs: number, limit: number, latencyMs: number | undefined, nowMs: number): void {
    const lengthMs = Math.min(mostHoldMs, forMs)
    if (lengthMs <= 0 || nowMs + lengthMs <= this.#untilMs) return
    this.#untilMs = nowMs + lengthMs
    this.openGently(lengthMs, limit, latencyMs, nowMs)
  }

  /** Those that wait are let in one by one, from now or from the end of the hold on. */
  openGently(shutMs: number, limit: number, latencyMs: number | undefined, nowMs: number): void {
    const fromMs = Math.max(nowMs, this.#untilMs)
    const rampMs = Math.min(mostRampMs, shutMs, latencyMs ?? unknownLatencyMs)
    this.#rampEndMs = fromMs + rampMs
    this.#gapMs = rampMs / limit
    this.#nextMs = fromMs + this.#gapMs * this.#random.unit()
  }

  entered(nowMs: number): void {
    if (nowMs < this.#rampEndMs) this.#nextMs = nowMs + this.#gapMs * (0.5 + this.#random.unit())
  }

  heldMs(nowMs: number): number {
    return Math.max(0, this.#untilMs - nowMs)
  }

  delayMs(nowMs: number): number {
    return Math.max(0, this.#untilMs - nowMs, this.#nextMs - nowMs)
  }
}
