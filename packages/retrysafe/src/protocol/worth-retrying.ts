/** The same at every attempt, whatever else the answer says. */
const finalStatuses: ReadonlySet<number> = new Set([400, 401, 403, 404, 413, 422, 424])
const retriedStatuses: ReadonlySet<number> = new Set([408, 409, 425, 429])

/**
 * Whether an answer leaves hope that the same request may go better later.
 *
 * @param shouldRetry what `x-should-retry` says, as sent
 */
export function isWorthRetrying(status: number, shouldRetry: string | null | undefined): boolean {
  if (status < 400 || finalStatuses.has(status)) return false
  switch (shouldRetry) {
    case 'true':
      return true
    case 'false':
      return false
    default:
      return status >= 500 || retriedStatuses.has(status)
  }
}
