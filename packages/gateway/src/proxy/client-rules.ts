import { readGrace } from 'retrysafe/internal/engine/policy'
import { retentionForm } from 'retrysafe/internal/protocol/retention'
import { clientPolicy } from 'retrysafe/internal/server/client-policy'
import { noWishes, type RequestHead } from 'retrysafe/internal/server/request-head'
import type { CallRules } from './rules.ts'

/** What holds for a call once its client has had its say. */
export type WishReading =
  | { kind: 'rules'; rules: CallRules }
  /** Its key is not to count. */
  | { kind: 'bypass' }
  | { kind: 'invalid'; reason: string }

/**
 * Reads what a client says for its own call. What becomes of its own call, and a shorter retention, are its own business;
 * what changes more counts where the operator allows it, and is as if it had not been sent where not.
 *
 * @param allowed names of headers, lower case
 */
export function readWishes(rules: CallRules, head: RequestHead, allowed: ReadonlySet<string>): WishReading {
  const { wishes } = head
  if (wishes === noWishes) return { kind: 'rules', rules }
  const bypass = allowed.has('retrysafe-bypass') ? wishes.bypass?.toLowerCase() : undefined
  if (bypass === 'true') return { kind: 'bypass' }
  if (bypass !== undefined && bypass !== 'false') return invalid('Retrysafe-Bypass', 'it takes true or false')
  let own = clientPolicy(rules, head)
  if (own === undefined) return invalid('Retrysafe-Retention', retentionForm)
  if (own.retentionMs < rules.retentionMs) {
    // Of calls that their payload names the window is the retention.
    own = { ...own, fingerprintWindowMs: Math.min(own.retentionMs, rules.fingerprintWindowMs) }
  }
  if (wishes.onDisconnect !== undefined) {
    const onDisconnect = readGrace(wishes.onDisconnect)
    if (onDisconnect === undefined) {
      return invalid('Retrysafe-On-Disconnect', 'it takes finish, cancel or grace:DURATION, at most grace:24h')
    }
    own = { ...own, onDisconnect }
  }
  const keyReuse = allowed.has('retrysafe-key-reuse') ? wishes.keyReuse : undefined
  if (keyReuse !== undefined) {
    if (keyReuse !== 'reject' && keyReuse !== 'fork') return invalid('Retrysafe-Key-Reuse', 'it takes reject or fork')
    own = { ...own, keyReuse }
  }
  return { kind: 'rules', rules: own }
}

function invalid(header: string, takes: string): WishReading {
  return { kind: 'invalid', reason: `${header}: ${takes}.` }
}
