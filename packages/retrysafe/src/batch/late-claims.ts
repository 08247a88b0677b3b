import type { Timer, Timers } from '../engine/clock.ts'

/** Most claims take milliseconds. */
const lateMs = 1_000

/** Items of a running batch that cannot be taken: somebody else has them, or the store is gone. */
export class LateClaims {
  readonly #timers: Timers
  readonly #tell: (count: number, trouble: string | undefined) => void
  #count = 0
  /** Of the store, until it answers again. */
  #trouble: string | undefined

  /** @param tell called whenever the count has changed */
  constructor(timers: Timers, tell: (count: number, trouble: string | undefined) => void) {
    this.#timers = timers
    this.#tell = tell
  }

  /** Of one item, for as long as it lives. */
  watch(): LateClaim {
    let timer: Timer | undefined
    let isLate = false
    const change = (late: boolean): void => {
      isLate = late
      this.#count += late ? 1 : -1
      this.#tell(this.#count, this.#trouble)
    }
    return {
      begin: why => {
        this.#trouble = why ?? this.#trouble
        timer ??= this.#timers.after(lateMs, () => change(true))
      },
      end: () => {
        timer?.cancel()
        timer = undefined
        this.#trouble = undefined
        if (isLate) change(false)
      },
    }
  }
}

export interface LateClaim {
  /** It is asked for, or still is. @param trouble what the store said of it */
  begin(trouble?: string): void
  /** It is ours, settled, or left. */
  end(): void
}
