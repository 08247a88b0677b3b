import type { Identity } from '../engine/identity.ts'
import { credentialOf } from '../fingerprint/query.ts'
import { type KeyReading, readKey } from '../protocol/key.ts'
import type { RequestHead } from './request-head.ts'

/** The key of the first header, in the operator's order, that is there. */
export function readCallersKey(head: RequestHead, keyHeaders: readonly string[]): KeyReading {
  for (const name of keyHeaders) {
    const lines = head.keyLines.get(name)
    if (lines !== undefined) return readKey(lines)
  }
  return { kind: 'absent' }
}

/** All credentials of a request, in headers and query, in a fixed order. */
export function credentialsOf(head: RequestHead, query: string): readonly string[] {
  const parameter = credentialOf(query)
  return parameter === undefined ? head.credentials : [...head.credentials, `?=${parameter}`]
}

/**
 * The tenant of the last request on a connection: most send the same credential again, and it goes when they go. To
 * another identity (one process may serve several stores) the same credential is another tenant.
 */
const lastTenants = new WeakMap<object, { identity: Identity; credentials: string; tenant: string }>()

/** The tenant of those credentials; worked out anew when the connection shows others. */
export function tenantOn(connection: object, identity: Identity, credentials: readonly string[]): string {
  const joined = credentials.join('\n')
  const last = lastTenants.get(connection)
  if (last?.credentials === joined && last.identity === identity) return last.tenant
  const tenant = identity.tenantOf(credentials)
  lastTenants.set(connection, { identity, credentials: joined, tenant })
  return tenant
}
