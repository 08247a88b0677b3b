import type { Surroundings } from '../engine/clock.ts'
import { parseRetryAfter } from '../protocol/seconds.ts'

/** How long retries wait. */
export interface DelayRules {
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly surroundings: Surroundings
}

/**
 * How long to wait before a retry, ms: what the server asks for, else full jitter; never more than `maxDelayMs`.
 *
 * @param retry 1 for the first
 * @param headers of the answer that is retried; `undefined`: there was none
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function delayMs(rules: DelayRules, retry: number, headers: Headers | undefined): number {
  const { baseDelayMs, maxDelayMs, surroundings } = rules
  const asked = headers === undefined ? undefined : askedMs(headers, surroundings)
  if (asked !== undefined) return Math.min(asked, maxDelayMs)
  const most = Math.min(maxDelayMs, baseDelayMs * 2 ** (retry - 1))
  return Math.floor(surroundings.random.unit() * most)
}

/** A date counts from the server's own clock, where it tells: ours may be wrong. */
function askedMs(headers: Headers, { clock }: Surroundings): number | undefined {
  const sentAtMs = Date.parse(headers.get('date') ?? '')
  const nowMs = Number.isNaN(sentAtMs) ? clock.wallMs() : sentAtMs
  const [retryAfter, retryAfterMs] = [headers.get('retry-after'), headers.get('retry-after-ms')]
  return parseRetryAfter({ retryAfter: retryAfter ?? undefined, retryAfterMs: retryAfterMs ?? undefined }, nowMs)
}
