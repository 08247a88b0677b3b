import type { Clock } from './clock.ts'

/** A moment on both clocks of this process. */
export interface Instant {
  readonly wallMs: number
  readonly monotonicMs: number
}

export function instant(clock: Clock): Instant {
  return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
}

/**
 * The larger advance of the two clocks: the monotonic one may stand still while the machine sleeps, the wall clock may
 * be set back. For a deadline the pessimist is right.
 */
export function elapsedMs(since: Instant, clock: Clock): number {
  return Math.max(clock.monotonicMs() - since.monotonicMs, clock.wallMs() - since.wallMs)
}
