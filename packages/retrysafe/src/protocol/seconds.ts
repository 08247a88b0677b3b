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
  const dateMs = parseHttpDate(headers.retryAfter ?? '')
  return dateMs === undefined ? undefined : Math.max(0, dateMs - nowMs)
}

/**
 * `Sun, 06 Nov 1994 08:49:37 GMT` and its two obsolete forms; `Date.parse` alone takes almost anything for a date.
 *
 * @returns ms since the epoch
 */
export function parseHttpDate(text: string): number | undefined {
  const time = String.raw`\d{2}:\d{2}:\d{2}`
  const fixed = new RegExp(`^[A-Z][a-z]{2}, \\d{2} [A-Z][a-z]{2} \\d{4} ${time} GMT$`)
  const rfc850 = new RegExp(`^[A-Z][a-z]{5,8}, \\d{2}-[A-Z][a-z]{2}-\\d{2} ${time} GMT$`)
  const asctime = new RegExp(`^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \\d]\\d ${time} \\d{4}$`)
  const value = text.trim()
  const dated = fixed.test(value) || rfc850.test(value) ? value : asctime.test(value) ? `${value} GMT` : undefined
  const ms = dated === undefined ? Number.NaN : Date.parse(dated)
  return Number.isNaN(ms) ? undefined : ms
}
