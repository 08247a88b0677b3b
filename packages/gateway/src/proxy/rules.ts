import type { LeaveOut } from 'retrysafe/internal/fingerprint/leave-out'
import type { GatewayConfig, RoutedMember, TenantMode } from '../config/config.ts'
import { PathTable } from '../config/path-pattern.ts'

/** What holds for a request: the flags, but for what a route or its client says. */
export type CallRules = Pick<GatewayConfig, RoutedMember | 'leaseMs'> & {
  /** Members of JSON bodies that make no other request. Default: none. */
  readonly leaveOut?: LeaveOut
}

/** The rules of every path, made once. */
export interface RuleTable {
  /** @param path as the client sends it */
  find(path: string): CallRules
  /** Every way in which a tenant is named here. */
  readonly tenants: readonly TenantMode[]
}

/** A route says all that holds for its paths: what it leaves out is as the flags say, not as a wider route does. */
export function openRules(config: GatewayConfig): RuleTable {
  const { routes = [] } = config
  const made = routes.map(({ pattern, rules, leaveOut }) => {
    const own: CallRules = { ...config, ...rules, ...(leaveOut !== undefined && { leaveOut }) }
    return [pattern, own] as const
  })
  const table = new PathTable(made)
  const modes = new Map([config, ...made.map(([, rules]) => rules)].map(({ tenant }) => [nameOf(tenant), tenant]))
  return {
    find: made.length === 0 ? () => config : path => table.find(path) ?? config,
    tenants: [...modes.values()],
  }
}

function nameOf(tenant: TenantMode): string {
  return tenant.kind === 'header' ? `header:${tenant.name}` : tenant.kind
}
