import type { Random } from '../../engine/clock.ts'

const firstPauseMs = 250
const lastPauseMs = 30_000
/** A host that answers, if only with failures, is asked a little more often: it may be well at once. */
const lastFailingPauseMs = 5_000
/** Fewer items than that say nothing of a host, however few are sent at once. */
const leastItems = 8
/** One that is silent for so long was taken, it seems: another may try. */
const leastSilenceMs = 1_000

/** What goes wrong between two answers; whoever failed in it learns, even later, whether it was everybody's. */
export interface BadSpell {
  readonly isEverybodys: boolean
}

/** A call that failed. */
export interface Failure {
  readonly number: number
  /** The number of the next call. */
  readonly nextNumber: number
  readonly nowMs: number
  /** When to try at the latest, whatever the pause says. */
  readonly latestMs: number
}

/**
 * Nobody is there, or who is there fails one item after the other and answers none: all wait, and one at a time tries whether somebody is there again, more and more rarely. An answer,
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
  /** Items that failed since the last answer. */
  #items = 0
  #spell = { isEverybodys: false }

  constructor(random: Random) {
    this.#random = random
  }

  get on(): boolean {
    return this.#pauseMs > 0
  }

  /** Whoever enters now tries for all. */
  isDue(nowMs: number): boolean {
    return this.on && nowMs >= this.#nextMs
  }

  get spell(): BadSpell {
    return this.#spell
  }

  unreachable(failure: Failure): void {
    this.#gone(failure, lastPauseMs)
  }

  /**
   * A call failed otherwise: that was somebody, but no answer.
   *
   * @param isNew whether its item never failed before: a few that always fail are no outage, however often
   * @param limit how many may be under way
   */
  failed(failure: Failure, isNew: boolean, limit: number): void {
    if (isNew) this.#items++
    if (this.on ? failure.number >= this.#probesFrom : this.#items >= Math.max(leastItems, limit)) {
      this.#gone(failure, lastFailingPauseMs)
    }
  }

  #gone({ number, nextNumber, nowMs, latestMs }: Failure, longestMs: number): void {
    if (!this.on) {
      this.#pauseMs = firstPauseMs
      this.#sinceMs = nowMs
      this.#probesFrom = nextNumber
      this.#spell.isEverybodys = true
    } else if (number >= this.#probesFrom) this.#pauseMs = Math.min(longestMs, this.#pauseMs * 2)
    else return
    this.#nextMs = Math.min(latestMs, nowMs + this.#pauseMs * (0.5 + this.#random.unit() / 2))
  }

  /** Somebody answered. @returns how long nobody had; 0: it was no outage */
  end(nowMs: number): number {
    this.#items = 0
    this.#spell = { isEverybodys: false }
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
