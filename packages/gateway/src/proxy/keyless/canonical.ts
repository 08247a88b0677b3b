import { canonicalFingerprint, type Fingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import { inputOf } from '../keyed.ts'
import type { ProxyParts, RoutedRequest } from '../parts.ts'

/** The request as meant. Rejects as the making of canonical bodies does. */
export async function canonicalOf(
  { canonicalBodies, engine }: ProxyParts,
  routed: RoutedRequest,
  body: Buffer,
  gone?: AbortSignal,
): Promise<Fingerprint> {
  const input = inputOf(routed, body)
  return canonicalFingerprint(engine.identity.fingerprintKey, input, await canonicalBodies.of(input, gone))
}
