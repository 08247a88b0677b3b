import { parseHttpDate, parseRetryAfter } from '../protocol/seconds.ts'
import type { Surroundings } from './clock.ts'

/** How long retries wait. */
export interface DelayRules {
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly surroundings: Surroundings
}

/** Headers of an answer, as `fetch` gives them. */
export interface AnswerHeaders {
  get(name: string): string | null
}

/**
 * How long to wait before a retry, ms: what the server asks for, else full jitter; never more than `maxDelayMs`.
 *
 * @param retry 1 for the first
 * @param headers of the answer that is retried; `undefined`: there was none
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function delayMs(rules: DelayRules, retry: number, headers: AnswerHeaders | undefined): number {
  const asked = headers === undefined ? undefined : askedMs(headers, rules.surroundings)
  return asked === undefined ? jitterMs(rules, retry) : Math.min(asked, rules.maxDelayMs)
}

/** Full jitter below what doubles at every retry. */
export function jitterMs({ baseDelayMs, maxDelayMs, surroundings }: DelayRules, retry: number): number {
  const most = Math.min(maxDelayMs, baseDelayMs * 2 ** (retry - 1))
  return Math.floor(surroundings.random.unit() * most)
}

/**
 * What the server asks for, ms, however long. A date counts from the server's own clock, where it tells: ours may be
 * wrong.
 */
export function askedMs(headers: AnswerHeaders, { clock }: Surroundings): number | undefined {
  const nowMs = parseHttpDate(headers.get('date') ?? '') ?? clock.wallMs()
  const [retryAfter, retryAfterMs] = [headers.get('retry-after'), headers.get('retry-after-ms')]
  return parseRetryAfter({ retryAfter: retryAfter ?? undefined, retryAfterMs: retryAfterMs ?? undefined }, nowMs)
}
