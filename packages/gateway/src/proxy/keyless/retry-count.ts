/** No SDK retries a call more often. */
const mostRetries = 100

/**
 * Which attempt of its call a request says it is, from 0; without the header it is a first one. `undefined`: it says
 * what no SDK says.
 *
 * @param value all lines of `X-Stainless-Retry-Count`, as one list
 */
export function readRetryCount(value: string | undefined): number | undefined {
  if (value === undefined) return 0
  const count = /^\d{1,3}$/.test(value) ? Number(value) : Number.NaN
  return count <= mostRetries ? count : undefined
}

/** Their operator may have a proxy that adds a second header. */
export function strangeCountsLine(requests: number): string {
  const what = `an X-Stainless-Retry-Count that is no number from 0 to ${mostRetries}`
  return `${requests} request(s) passed through without protection: they came with ${what}`
}
