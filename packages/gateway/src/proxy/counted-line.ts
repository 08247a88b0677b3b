import type { Clock } from 'retrysafe/internal/engine/clock'

/** How often it is told. */
const everyMs = 60_000

/** Something that may happen at every request: it is told at once, then once a minute, with how often it happened. */
export class CountedLine {
  readonly #clock: Clock
  readonly #tell: (count: number) => void
  #count = 0
  #toldAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, tell: (count: number) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  met(): void {
    this.#count += 1
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#toldAtMs < everyMs) return
    this.#tell(this.#count)
    this.#toldAtMs = nowMs
    this.#count = 0
  }
}
