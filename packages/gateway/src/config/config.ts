import type { Grace } from 'retrysafe/internal/engine/policy'
import type { CrashPolicy } from 'retrysafe/internal/engine/record'
import type { LeaveOut } from 'retrysafe/internal/fingerprint/leave-out'
import type { PriceList } from '../ledger/prices.ts'
import type { PathPattern } from './path-pattern.ts'

/** Whose key is it: told by the credential, by a header that a trusted proxy sets, or everybody's. */
export type TenantMode = { kind: 'credential' } | { kind: 'header'; name: string } | { kind: 'none' }

/** What happens to a request without a key. */
export type KeylessMode = 'pass' | 'require' | 'fingerprint' | 'sdk-retries'

/** What a used key means with another payload: a mistake (422), or another call. */
export type KeyReuse = 'reject' | 'fork'

/** What happens to a request with a key while the store is out of reach: 503, or passed through without protection. */
export type StoreErrorPolicy = 'closed' | 'open'

/** What becomes of a call that its client has left; `auto`: it depends on whether the call has a key. */
export type DisconnectPolicy = 'auto' | Grace

/** The upstream that serves every path which no named one serves. */
export const defaultUpstream = 'default'

/** An upstream by its origin and the path that stands before every request's. */
export interface UpstreamTarget {
  /** The first segment of the paths that it serves, or `defaultUpstream`. */
  readonly name: string
  readonly origin: string
  /** Without a slash at its end; empty for none. */
  readonly basePath: string
}

/** Inclusive range of statuses. */
export interface StatusRange {
  readonly from: number
  readonly to: number
}

/** Everything that `retrysafe serve` goes by, resolved once at the start. */
export interface GatewayConfig {
  readonly host: string
  readonly port: number
  /** By name; never none. */
  readonly upstreams: ReadonlyMap<string, UpstreamTarget>
  /** Trusted beside those that Node trusts, each as PEM. */
  readonly upstreamCertificates: readonly string[]
  readonly store: string
  readonly scopeSecret: string | undefined
  readonly tenant: TenantMode
  /** Lower case, in order of precedence. */
  readonly keyHeaders: readonly string[]
  readonly methods: ReadonlySet<string>
  readonly recordStatus: readonly StatusRange[]
  readonly retentionMs: number
  readonly leaseMs: number
  readonly keyless: KeylessMode
  /** How long identical requests without a key are one. */
  readonly fingerprintWindowMs: number
  readonly keyReuse: KeyReuse
  readonly waitMs: number
  readonly maxWaiters: number
  readonly onDisconnect: DisconnectPolicy
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
  /** Retries older than the retention are refused, where they say how old they are. */
  readonly expiryAware: boolean
  readonly onStoreError: StoreErrorPolicy
  /** Runs that may follow a failed one, unseen by the caller. */
  readonly upstreamRetries: number
  /** Of silence, not of the whole answer. */
  readonly upstreamTimeoutMs: number
  readonly maxRequestBytes: number
  readonly maxResultBytes: number
  /** Nothing is done but to look for duplicates. */
  readonly observe: boolean
  /** The operator's own; they beat the shipped ones. */
  readonly prices: PriceList | undefined
  /** Headers that clients may send beside those that every client may; lower case. */
  readonly clientHeaders: ReadonlySet<string>
  readonly adminHost: string
  readonly adminPort: number
  readonly adminToken: string | undefined
  readonly drainMs: number
  /** Of any two whose patterns overlap, one covers the other. Default: none. */
  readonly routes?: readonly RouteConfig[]
}

/** What a flag sets. */
export type SettableMember = Exclude<keyof GatewayConfig, 'routes'>

/** The members that a route may have a word of its own for. */
export type RoutedMember =
  | 'tenant'
  | 'methods'
  | 'recordStatus'
  | 'retentionMs'
  | 'keyless'
  | 'fingerprintWindowMs'
  | 'keyReuse'
  | 'waitMs'
  | 'onDisconnect'
  | 'onCrash'
  | 'maxAttempts'
  | 'expiryAware'
  | 'upstreamRetries'

/** What holds for the paths of one pattern instead of what holds elsewhere. */
export interface RouteConfig {
  readonly pattern: PathPattern
  readonly rules: Partial<Pick<GatewayConfig, RoutedMember>>
  /** Members of JSON bodies that make no other request. */
  readonly leaveOut?: LeaveOut
  /** As it stands in the file. */
  readonly written: Readonly<Record<string, unknown>>
}

/** Only this machine can reach it. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
}
