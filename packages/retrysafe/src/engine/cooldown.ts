import type { Random } from './clock.ts'

const baseMs = 500
const maxMs = 600_000
const maxJitterMs = 8_000

/**
 * How long a key rests after a failed run: what the upstream asked for, else up to half a second with full jitter, so
 * that many waiters of many keys don't come back in step; twice as long after each failure before.
 *
 * @param retryAfterMs the upstream's `Retry-After`, in ms; capped at 10 min, the life of an open record
 * @param failedBefore runs of the same call that failed before this one
 */
export function cooldownMs(retryAfterMs: number | undefined, random: Random, failedBefore = 0): number {
  if (retryAfterMs !== undefined) return Math.min(retryAfterMs, maxMs)
  return random.unit() * Math.min(maxJitterMs, baseMs * 2 ** failedBefore)
}
