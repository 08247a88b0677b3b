import type { Random } from '../../engine/clock.ts'

const firstPauseMs = 250
const lastPauseMs = 30_000
/** One that is silent for so long was taken, it seems: another may try. */
const leastSilenceMs = 1_000

/**
 * Nobody is there: all wait, and one at a time tries whether somebody is there again, more and more rarely. An answer,
 * whosever, ends it.
 */
export class Outage {
  readonly #random: Random
  /** 0: somebody is there. */
  #pauseMs = 0
  #sinceMs = 0
  #nextMs = 0
  /** Who begins from this number on is a probe. */
  #probesFrom = 0

  constructor(random: Random) {
    this.#random = random
  }

  get on(): boolean {
    return this.#pauseMs > 0
  }

  /** @param latestMs when to try at the latest, whatever the pause says */
  unreachable(number: number, nextNumber: number, nowMs: number, latestMs: number): void {
    if (!this.on) {
      this.#pauseMs = firstPauseMs
      this.#sinceMs = nowMs
      this.#probesFrom = nextNumber
    } else if (number >= this.#probesFrom) this.#pauseMs = Math.min(lastPauseMs, this.#pauseMs * 2)
    else return
    this.#nextMs = Math.min(latestMs, nowMs + this.#pauseMs * (0.5 + this.#random.unit() / 2))
  }

  /** A call failed otherwise: that was somebody, but as yet no answer. */
  failed(number: number, nextNumber: number, nowMs: number, latestMs: number): void {
    if (this.on && number >= this.#probesFrom) this.unreachable(number, nextNumber, nowMs, latestMs)
  }

  /** @returns how long nobody had been there; 0: somebody had */
  end(nowMs: number): number {
    if (!this.on) return 0
    this.#pauseMs = 0
    return nowMs - this.#sinceMs
  }

  entered(nowMs: number): void {
    if (this.on) this.#nextMs = nowMs + Math.max(leastSilenceMs, this.#pauseMs)
  }

  delayMs(nowMs: number): number {
    return this.on ? Math.max(0, this.#nextMs - nowMs) : 0
  }
}
