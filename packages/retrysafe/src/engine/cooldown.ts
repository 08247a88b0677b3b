import type { Random } from './clock.ts'

const baseMs = 500
const maxMs = 600_000

/**
 * How long a key rests after a failed run: what the upstream asked for, else up to half a second with full jitter, so
 * that many waiters of many keys don't come back in step.
 *
 * @param retryAfterMs the upstream's `Retry-After`, in ms; capped at 10 min, the life of an open record
 */
export function cooldownMs(retryAfterMs: number | undefined, random: Random): number {
  return retryAfterMs === undefined ? random.unit() * baseMs : Math.min(retryAfterMs, maxMs)
}
