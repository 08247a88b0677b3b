import type { Socket } from 'node:net'
import type { Identity } from 'retrysafe/internal/engine/identity'
import { credentialsOf, tenantOn } from 'retrysafe/internal/server/credentials'
import type { RequestHead } from 'retrysafe/internal/server/request-head'
import type { TenantMode } from '../config/config.ts'

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
      const credentials = credentialsOf(head, query)
      return credentials.length === 0 && !anonymous ? undefined : tenantOn(connection, identity, credentials)
    }
  }
}
