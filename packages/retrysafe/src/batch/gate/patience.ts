/** What a try came to: see the gate. */
export type OutcomeKind = 'answered' | 'throttled' | 'unreachable' | 'failed' | 'unused'

/**
 * How long nothing but trouble is borne. The time counts from the first trouble after the last answer, and only further
 * trouble ends it: calls that are silent for long may be at work.
 */
export class Patience {
  readonly #giveUpMs: number
  readonly #firstAnswerMs: number
  #sinceMs: number | undefined
  /** Somebody was there once: it is not the wrong address. */
  #heard = false
  /** Who began before this number had begun when the trouble did. */
  #elderBefore = 0
  #elders = 0
  stalled = false

  constructor(giveUpMs: number, firstAnswerMs: number) {
    this.#giveUpMs = giveUpMs
    this.#firstAnswerMs = Math.min(giveUpMs, firstAnswerMs)
  }

  /** When the last try is made, if nothing answers: no wait goes beyond. */
  latestMs(nowMs: number): number {
    const deadlineMs = this.#deadlineMs()
    return deadlineMs <= nowMs ? Number.POSITIVE_INFINITY : deadlineMs
  }

  /** @param inFlight how many are under way besides the one whose outcome this is */
  heard(kind: OutcomeKind, number: number, nextNumber: number, inFlight: number, nowMs: number): void {
    if (number < this.#elderBefore) this.#elders--
    if (kind === 'unused') return
    if (kind !== 'unreachable') this.#heard = true
    if (kind === 'answered') {
      this.#sinceMs = undefined
      return
    }
    if (this.#sinceMs === undefined) {
      this.#sinceMs = nowMs
      this.#elderBefore = nextNumber
      this.#elders = inFlight
    }
    // Whoever was sent before the trouble began and is silent may yet answer.
    if (this.#elders === 0 && nowMs >= this.#deadlineMs()) this.stalled = true
  }

  #deadlineMs(): number {
    if (this.#sinceMs === undefined) return Number.POSITIVE_INFINITY
    return this.#sinceMs + (this.#heard ? this.#giveUpMs : this.#firstAnswerMs)
  }
}
