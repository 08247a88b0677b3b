import type { Clock, Random, Surroundings, Timers } from '../../src/engine/clock.ts'
import { createRandom } from '../../src/store-testkit/random.ts'

interface Due {
  readonly atMs: number
  readonly run: () => void
  readonly owner: object
}

/** Where every test begins, in ms since the epoch: 2024-01-01T00:00:00Z. */
export const startWallMs = 1_704_067_200_000

/** One process in manual time: its own timers and randomness, on the clock that all share. */
export interface ManualProcess {
  readonly surroundings: Surroundings
  /** Killed, or stopped for good: none of its timers fires again. */
  kill(): void
}

/** Time that stands still until a test moves it. */
export class ManualTime {
  #monotonicMs = 1_000
  #wallMs: number = startWallMs
  #due: Due[] = []

  readonly clock: Clock = {
    wallMs: () => this.#wallMs,
    monotonicMs: () => this.#monotonicMs,
  }

  process(seed = 1): ManualProcess {
    const owner = {}
    let alive = true
    const timers: Timers = {
      after: (delayMs, run) => {
        const due: Due = { atMs: this.#monotonicMs + delayMs, run, owner }
        if (alive) this.#due.push(due)
        return {
          cancel: () => {
            this.#due = this.#due.filter(other => other !== due)
          },
        }
      },
    }
    return {
      surroundings: { clock: this.clock, timers, random: seededRandom(seed) },
      kill: () => {
        alive = false
        this.#due = this.#due.filter(due => due.owner !== owner)
      },
    }
  }

  /** How many timers wait; a test that wants to know that nothing is left to poll looks here. */
  get waitingTimers(): number {
    return this.#due.length
  }

  /** Lets `ms` pass: every timer fires at its time, and what it set going runs on until it waits again. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms
    for (;;) {
      await settle()
      const next = this.#takeDue(endMs)
      if (next === undefined) break
      this.#moveTo(Math.max(next.atMs, this.#monotonicMs))
      next.run()
    }
    this.#moveTo(endMs)
    await settle()
  }

  /** Both clocks jump and no timer fires meanwhile: the process was stopped. */
  jump(ms: number): void {
    this.#moveTo(this.#monotonicMs + ms)
  }

  /** Only the wall clock moves: the machine slept, or somebody set the clock. */
  jumpWall(ms: number): void {
    this.#wallMs += ms
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs
    this.#monotonicMs = monotonicMs
  }

  #takeDue(untilMs: number): Due | undefined {
    let first: Due | undefined
    for (const due of this.#due) if (due.atMs <= untilMs && (first === undefined || due.atMs < first.atMs)) first = due
    if (first !== undefined) this.#due = this.#due.filter(due => due !== first)
    return first
  }
}

/** Everything that can run without time passing has run: all microtasks come before the next macrotask. */
export async function settle(): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve))
  await new Promise<void>(resolve => setImmediate(resolve))
}

/** The same numbers for the same seed. */
export function seededRandom(seed: number): Random {
  const { unit, below } = createRandom(seed)
  return { unit, bytes: length => Uint8Array.from({ length }, () => below(256)) }
}

/** What a promise has come to without time passing: its value, or `pending`. */
export async function now<Value>(promise: Promise<Value>): Promise<Value | 'pending'> {
  let result: Value | 'pending' = 'pending'
  let failure: { error: unknown } | undefined
  promise.then(
    value => {
      result = value
    },
    (error: unknown) => {
      failure = { error }
    },
  )
  await settle()
  if (failure !== undefined) throw failure.error
  return result
}
