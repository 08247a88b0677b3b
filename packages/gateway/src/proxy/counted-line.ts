import type { Clock } from 'retrysafe/internal/engine/clock'

/** How often it is told. */
const everyMs = 60_000

/** Something that may happen at every request: it is told at once, then once a minute, with how often it happened. */
export class CountedLine {
  readonly #clock: Clock
  readonly #tell: (count: number, detail: string) => void
  #count = 0
  #toldAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, tell: (count: number, detail: string) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** @param detail of the last time, for the line */
  met(detail = ''): void {
    this.#count += 1
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#toldAtMs < everyMs) return
    this.#tell(this.#count, detail)
    this.#toldAtMs = nowMs
    this.#count = 0
  }
}
