import type { Operation } from '../../history/operation.ts'
import type { Outage } from '../server-kills.ts'

/**
 * The store itself sends a step again whose answer was lost with the connection, and tells what the last one was told.
 * So each operation that was under way in an outage is two: one that was told, and one that may have been made.
 */
export function withTwins(operations: readonly Operation[], outages: readonly Outage[]): Operation[] {
  return operations.flatMap(operation => {
    const { invokedAtMs, returnedAtMs = Number.POSITIVE_INFINITY, result, ...asked } = operation
    const isUnder = outages.some(({ fromMs, toMs }) => invokedAtMs < toMs && returnedAtMs > fromMs)
    return isUnder && result !== undefined ? [operation, { ...asked, invokedAtMs }] : [operation]
  })
}
