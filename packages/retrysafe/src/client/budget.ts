import type { Clock } from '../engine/clock.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { processSurroundings } from '../engine/surroundings.ts'

/** What retries are spent from, so that a host in trouble gets little more than its usual load. */
export interface RetryBudget {
  /** A call begins. */
  deposit(): void
  /** A retry is about to begin. @returns whether it may */
  withdraw(): boolean
}

export interface RetryBudgetOptions {
  /** Retries that may come in a burst: 1 to 1_000_000. Default 500; it begins full. */
  readonly capacity?: number
  /** Retries that each call pays in: 0 to 10. Default 0.2. */
  readonly perCall?: number
  /** Retries that each second pays in: 0 to 100_000. Default 10. */
  readonly perSecond?: number
  /** Default: the platform's. */
  readonly clock?: Clock
}

/**
 * A budget of retries: calls and time pay in, retries take out. Once it is empty, calls end with what they have.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, naming the option
 * @example
 * const budget = createRetryBudget({ capacity: 50, perCall: 0.1, perSecond: 1 })
 * createFetch({ budget })
 */
export function createRetryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const { clock = processSurroundings.clock } = options
  const capacity = within('capacity', options.capacity ?? 500, 1, 1_000_000)
  const perCall = within('perCall', options.perCall ?? 0.2, 0, 10)
  const perSecond = within('perSecond', options.perSecond ?? 10, 0, 100_000)
  let balance = capacity
  let countedAtMs = clock.monotonicMs()

  function payIn(calls: number): void {
    const nowMs = clock.monotonicMs()
    balance = Math.min(capacity, balance + calls * perCall + ((nowMs - countedAtMs) / 1_000) * perSecond)
    countedAtMs = nowMs
  }

  return {
    deposit: () => payIn(1),
    withdraw() {
      payIn(0)
      if (balance < 1) return false
      balance -= 1
      return true
    },
  }
}

function within(name: string, value: number, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw new RetrysafeError('CONFIG_INVALID', `${name} takes a number from ${least} to ${most}, not ${value}`)
}
