import { parseDuration } from './duration.ts'

const leastMs = 1_000

/** What a retention must look like that a client asks for. */
export const retentionForm = 'it takes whole seconds or a duration such as 10m, one second at least'

/**
 * How long a client wants its outcome to be kept at most: `Retrysafe-Retention`, in whole seconds or as a duration.
 *
 * @param text as sent
 * @returns ms, or `undefined` for what is neither, or shorter than a second
 * @example
 * parseRetention('90') // 90_000
 * parseRetention('10m') // 600_000
 */
export function parseRetention(text: string): number | undefined {
  const trimmed = text.trim()
  const ms = /^\d{1,9}$/.test(trimmed) ? Number(trimmed) * 1_000 : parseDuration(trimmed)
  return ms === undefined || ms < leastMs ? undefined : ms
}
