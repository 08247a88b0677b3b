import { deriveKey } from 'retrysafe/internal/engine/context'
import type { Identity } from 'retrysafe/internal/engine/identity'
import type { StoreKey } from 'retrysafe/internal/engine/record'
import type { RequestHead } from 'retrysafe/internal/server/request-head'

/**
 * The head with a key of this payload alone: an upstream that honours keys, too, must not take one step of a loop for
 * another. The same for every retry of it.
 */
export function withForkedKey(head: RequestHead, { fingerprintKey }: Identity, key: StoreKey): RequestHead {
  const forked = deriveKey(fingerprintKey, key, 'fork')
  const isKey = (name: string): boolean => head.keyLines.has(name.toLowerCase())
  const forward = head.forward.map((text, at) => (at % 2 === 1 && isKey(head.forward[at - 1] ?? '') ? forked : text))
  return { ...head, forward }
}
