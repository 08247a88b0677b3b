import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import { graceOf } from '../grace.ts'
import type { ProxyParts, RoutedRequest } from '../parts.ts'
import { pass } from '../pass.ts'
import { serveFingerprinted } from './fingerprinted.ts'
import { serveSdkRetry } from './sdk-retries.ts'

/** The way of a request that carries no key. */
export async function serveKeyless(parts: ProxyParts, routed: RoutedRequest): Promise<void> {
  const { response, route, rules } = routed
  switch (rules.keyless) {
    case 'pass':
      return pass(route.upstream, {
        ...routed,
        notice: undefined,
        grace: graceOf(rules.onDisconnect, { kind: 'keyless' }),
      })
    case 'require': {
      const detail = `Send ${parts.config.keyHeaders[0]} (--keyless require).`
      return sendProblem(response, { code: 'KEY_MISSING', detail })
    }
    case 'fingerprint':
      return serveFingerprinted(parts, routed)
    case 'sdk-retries':
      return serveSdkRetry(parts, routed)
  }
}
