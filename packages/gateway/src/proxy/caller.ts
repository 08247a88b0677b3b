import type { Socket } from 'node:net'
import type { Identity } from 'retrysafe/internal/engine/identity'
import { credentialOf } from 'retrysafe/internal/fingerprint/query'
import { type KeyReading, readKey } from 'retrysafe/internal/protocol/key'
import type { TenantMode } from '../config/config.ts'
import type { RequestHead } from './request-head.ts'

/** The key of the first header, in the operator's order, that is there. */
export function readCallersKey(head: RequestHead, keyHeaders: readonly string[]): KeyReading {
  for (const name of keyHeaders) {
    const lines = head.keyLines.get(name)
    if (lines !== undefined) return readKey(lines)
  }
  return { kind: 'absent' }
}

/**
 * Names the tenant. `undefined`: there is no credential, and the mode needs one.
 *
 * @param anonymous whether callers without a credential are let in: only this machine can reach the listener
 */
export function readTenant(
  identity: Identity,
  mode: TenantMode,
  head: RequestHead,
  query: string,
  anonymous: boolean,
  connection: Socket,
): string | undefined {
  switch (mode.kind) {
    case 'none':
      return identity.tenantNamed('')
    case 'header':
      return head.tenantHeader ? identity.tenantNamed(head.tenantHeader) : undefined
    case 'credential': {
      const parameter = credentialOf(query)
      const credentials = parameter === undefined ? head.credentials : [...head.credentials, `?=${parameter}`]
      return credentials.length === 0 && !anonymous ? undefined : tenantOn(connection, identity, credentials)
    }
  }
}

/** The tenant of the last request on a connection: most send the same credential again, and it goes when they go. */
const lastTenants = new WeakMap<Socket, { credentials: string; tenant: string }>()

function tenantOn(connection: Socket, identity: Identity, credentials: readonly string[]): string {
  const joined = credentials.join('\n')
  const last = lastTenants.get(connection)
  if (last?.credentials === joined) return last.tenant
  const tenant = identity.tenantOf(credentials)
  lastTenants.set(connection, { credentials: joined, tenant })
  return tenant
}
