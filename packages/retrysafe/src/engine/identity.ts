import { createHmac, hash } from 'node:crypto'
import { createKeyedHash, type KeyedHash } from '../fingerprint/keyed-hash.ts'
import type { StoreKey } from './record.ts'
import { createStreamIds, type StreamIds } from './stream-id.ts'

/** Everything that is derived from the scope secret. Another secret makes other tenants and other fingerprints. */
export interface Identity {
  /** Keys the fingerprints. */
  readonly fingerprintKey: KeyedHash
  /** Names the tenant of a caller by its credentials, which cannot be had back from it. Base64url, 43 characters. */
  tenantOf(credentials: readonly string[]): string
  /** Names a tenant that a trusted proxy or the server's own code vouches for. */
  tenantNamed(name: string): string
  /** Names streams to those who may read them. */
  readonly streamIds: StreamIds
  /** Proves that two processes share one secret, without telling it. */
  readonly check: Uint8Array
}

/**
 * @param scopeSecret at least 16 bytes
 * @example
 * const identity = createIdentity(randomBytes(32))
 * storeKey(identity.tenantOf(['Bearer sk-1']), 'default', 'order-42')
 */
export function createIdentity(scopeSecret: Uint8Array): Identity {
  const derive = (use: string): Buffer => createHmac('sha256', scopeSecret).update(`retrysafe ${use} v1`).digest()
  const tenantKey = createKeyedHash(derive('tenant'))
  return {
    fingerprintKey: createKeyedHash(derive('fingerprint')),
    streamIds: createStreamIds(derive('stream')),
    check: derive('check'),
    tenantOf: credentials => tenantKey.digest(`credentials ${lengthPrefixed(credentials)}`),
    tenantNamed: name => tenantKey.digest(`named ${lengthPrefixed([name])}`),
  }
}

/** Names the record: every field is length-prefixed, so no choice of names can make two fields look like one. */
export function storeKey(...fields: [tenant: string, operation: string, key: string, fork?: string]): StoreKey {
  return hash('sha256', lengthPrefixed(fields.filter(field => field !== undefined)), 'base64url') as StoreKey
}

function lengthPrefixed(fields: readonly string[]): string {
  let text = ''
  for (const field of fields) text += `${field.length}:${field}`
  return text
}
