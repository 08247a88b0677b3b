import { parseRetention } from '../protocol/retention.ts'
import type { RequestHead } from './request-head.ts'

/** A client may have its outcome kept for a shorter time. `undefined`: nobody can read for how long. */
export function clientPolicy<Policy extends { readonly retentionMs: number }>(
  policy: Policy,
  { wishes }: RequestHead,
): Policy | undefined {
  if (wishes.retention === undefined) return policy
  const askedMs = parseRetention(wishes.retention)
  return askedMs === undefined ? undefined : { ...policy, retentionMs: Math.min(askedMs, policy.retentionMs) }
}
