/**
 * Reads a header value in seconds: decimal digits, a fraction allowed.
 *
 * @returns seconds from 0 to 10^9, or `undefined` when there is no such value
 */
export function parseSeconds(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,9}(\.\d{1,9})?$/.test(text.trim())) return undefined
  return Number(text)
}

/**
 * Reads `Retry-After` in its three forms.
 *
 * @param headers `retryAfterMs` is `retry-after-ms`; `retryAfter` seconds or an HTTP date
 * @param nowMs the wall clock, ms since the epoch, for the date form
 * @returns ms to wait, at least 0, or `undefined` when neither header says anything
 * @see RFC 9110 §10.2.3
 */
export function parseRetryAfter(
  headers: { retryAfter: string | undefined; retryAfterMs: string | undefined },
  nowMs: number,
): number | undefined {
  const ms = parseSeconds(headers.retryAfterMs)
  if (ms !== undefined) return ms
  const seconds = parseSeconds(headers.retryAfter)
  if (seconds !== undefined) return seconds * 1_000
  const dateMs = headers.retryAfter === undefined ? Number.NaN : Date.parse(headers.retryAfter)
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs)
}
