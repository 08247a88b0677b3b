import type { GatewayConfig } from '../../config/config.ts'

/** What the operator is told at the start: also which of the flags that were set have no effect. */
export function observingNotice(config: GatewayConfig): string {
  const idle = [
    ...(config.keyless === 'require' ? ['--keyless require'] : []),
    ...(config.expiryAware ? ['--expiry-aware'] : []),
    ...(config.onStoreError === 'open' ? ['--on-store-error open'] : []),
    ...(config.onCrash === 'fail' ? ['--on-crash fail'] : []),
  ]
  const without = idle.length === 0 ? '' : `; without effect meanwhile: ${idle.join(', ')}`
  return `observing: every request passes untouched, nothing is recorded, replayed or refused, and no store is opened${without}`
}
