import type { Attempt } from './attempt.ts'
import type { Timer, Timers } from './clock.ts'

/** When a run that nobody wants any more is stopped. */
export interface DesertionTerms {
  /** Fires when the caller who began it has left. */
  readonly gone: AbortSignal
  /** How long it goes on for somebody to come back; 0: it is stopped at once. */
  readonly graceMs: number
}

/** While another process follows, or the store cannot say whether one does. */
const askAgainMs = 1_000

/**
 * Stops the attempt once nobody wants it: its caller has left, nobody in this process waits for it or reads along, and
 * the store, asked right before, knows of nobody elsewhere. Who comes after that decision claims anew.
 */
export function stopWhenDeserted(attempt: Attempt, terms: DesertionTerms, timers: Timers): void {
  const { gone } = terms
  const watch = new DesertionWatch(attempt, terms.graceMs, timers)
  const left = (): void => watch.callerLeft()
  attempt.onEnd(() => {
    gone.removeEventListener('abort', left)
    watch.end()
  })
  if (gone.aborted) left()
  else gone.addEventListener('abort', left, { once: true })
}

class DesertionWatch {
  readonly #attempt: Attempt
  readonly #graceMs: number
  readonly #timers: Timers
  #timer: Timer | undefined
  /** Whoever came or went since has begun a new one: what was asked before is no answer any more. */
  #turn = 0
  #isOver = false

  constructor(attempt: Attempt, graceMs: number, timers: Timers) {
    this.#attempt = attempt
    this.#graceMs = graceMs
    this.#timers = timers
  }

  callerLeft(): void {
    this.#attempt.recording.audience.onChange(() => this.#look())
    this.#look()
  }

  end(): void {
    this.#isOver = true
    this.#timer?.cancel()
  }

  #look(): void {
    this.#turn += 1
    this.#timer?.cancel()
    if (this.#isOver || !this.#attempt.recording.audience.isEmpty) return
    if (this.#graceMs === 0) void this.#decide()
    else this.#decideIn(this.#graceMs)
  }

  #decideIn(delayMs: number): void {
    this.#timer = this.#timers.after(delayMs, () => void this.#decide())
  }

  async #decide(): Promise<void> {
    if (this.#attempt.isStopped) return
    const turn = this.#turn
    const isFollowed = await this.#attempt.isFollowedElsewhere()
    if (this.#isOver || turn !== this.#turn) return
    if (isFollowed) this.#decideIn(askAgainMs)
    else this.#attempt.desert()
  }
}
