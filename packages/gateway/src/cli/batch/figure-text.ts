/** `12345` as `12,345`. */
export function countText(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** `1234567` as `1.2M`: for a display that has little room. */
export function shortCountText(count: number): string {
  if (count < 10_000) return countText(count)
  if (count < 999_500) return `${Math.round(count / 1_000)}k`
  const [value, unit] = count < 999_500_000 ? [count / 1e6, 'M'] : [count / 1e9, 'G']
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)}${unit}`
}

/** Less is not told apart. */
const leastUsd = 0.0001

/**
 * Of what is an estimate.
 *
 * @param withoutPrice how much of it nobody knows the price of
 */
export function aboutUsdText(usd: number, withoutPrice: number): string {
  if (usd > 0 && usd < leastUsd) return usdText(usd)
  return `${withoutPrice > 0 ? 'at least' : 'about'} ${usdText(usd)}`
}

/** US dollars with the digits that say something: `$0.0123`, `$12.35`, `$1,234.57`. */
export function usdText(usd: number): string {
  if (usd === 0) return '$0'
  if (usd < leastUsd) return `under $${leastUsd}`
  const digits = usd < 1 ? 4 : 2
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`
}

/** Whole and rounded, in at most two units: `4 s`, `1 min 46 s`, `2 h 05 min`, `3 d 4 h`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (minutes === 0) return `${seconds} s`
  if (hours === 0) return `${minutes} min ${padded(seconds % 60)} s`
  if (hours < 48) return `${hours} h ${padded(minutes % 60)} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** `0:01:12`. */
export function clockText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  return `${Math.floor(seconds / 3_600)}:${padded(Math.floor(seconds / 60) % 60)}:${padded(seconds % 60)}`
}

/** How many a second, with a digit behind the point where that says something. */
export function rateText(perSecond: number): string {
  return `${perSecond < 9.95 ? perSecond.toFixed(1) : countText(perSecond)}/s`
}

/** `1 item`, `2 items`. */
export function counted(count: number, what: string): string {
  return `${countText(count)} ${what}${count === 1 ? '' : 's'}`
}

/** Rounded down: what is at 100 % is done. Of nothing, nothing is done yet. */
export function percentOf(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(100, Math.floor((100 * part) / whole))
}

function padded(count: number): string {
  return String(count).padStart(2, '0')
}
