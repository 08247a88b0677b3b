import type { GatewayConfig } from '../config/config.ts'

/** What holds for a request: the flags, but for what a route or its client says. */
export type CallRules = Pick<
  GatewayConfig,
  | 'tenant'
  | 'methods'
  | 'recordStatus'
  | 'retentionMs'
  | 'leaseMs'
  | 'keyless'
  | 'fingerprintWindowMs'
  | 'keyReuse'
  | 'waitMs'
  | 'onCrash'
  | 'maxAttempts'
  | 'expiryAware'
>
