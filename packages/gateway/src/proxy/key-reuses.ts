import type { Clock } from 'retrysafe/internal/engine/clock'

/** How often they are told of. */
const everyMs = 60_000

/** Requests that came with a used key and another payload: their operator may want another policy. */
export class KeyReuses {
  readonly #clock: Clock
  readonly #log: (message: string) => void
  #count = 0
  #toldAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, log: (message: string) => void) {
    this.#clock = clock
    this.#log = log
  }

  met(): void {
    this.#count += 1
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#toldAtMs < everyMs) return
    const advice = 'an agent loop that sends one key with every step wants --key-reuse fork'
    this.#log(`${this.#count} request(s) refused (422) for a used key with another payload; ${advice}`)
    this.#toldAtMs = nowMs
    this.#count = 0
  }
}
