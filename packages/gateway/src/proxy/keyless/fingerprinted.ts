import { goneSignal } from 'retrysafe/internal/adapters/node/gone'
import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import type { Attempt } from 'retrysafe/internal/engine/attempt'
import { deriveKey } from 'retrysafe/internal/engine/context'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { Run } from 'retrysafe/internal/server/run'
import { takeBody } from '../body.ts'
import { readTenant } from '../caller.ts'
import { isBypassed, type KeyedRequest, passUnprotected, serveKeyed } from '../keyed.ts'
import type { ProxyParts, RoutedRequest } from '../parts.ts'
import { missingTenant, refuseError } from '../refusal.ts'
import { RunSink } from '../run-sink.ts'
import { canonicalOf } from './canonical.ts'
import { windowFence } from './window.ts'

/** `--keyless fingerprint`: what a request asks for is its key, for as long as the window is. */
export async function serveFingerprinted(parts: ProxyParts, routed: RoutedRequest): Promise<void> {
  const { request, response, head, route, rules, query } = routed
  const { identity } = parts.engine
  const tenant = readTenant(identity, rules.tenant, head, query, parts.anonymous, request.socket)
  if (tenant === undefined) {
    return sendProblem(response, { code: 'TENANT_MISSING', detail: missingTenant(rules.tenant) })
  }
  const body = await takeBody(parts, routed, undefined)
  if (body === undefined) return
  const gone = goneSignal(response)
  try {
    const canonical = await canonicalOf(parts, routed, body, gone)
    const { name } = route.upstream
    const key = `fp-${deriveKey(identity.fingerprintKey, storeKey(tenant, name, canonical), 'call')}`
    const ruled = { ...rules, keyReuse: 'reject', retentionMs: rules.fingerprintWindowMs, expiryAware: false } as const
    const keyed: KeyedRequest = { ...routed, rules: ruled, key, tenant, body, canonical }
    if (isBypassed(parts, storeKey(tenant, name, key))) return await passUnprotected(parts, keyed)
    const dispatch = (run: Run, attempt: Attempt): void => void sendWithKey(parts, keyed, run, attempt)
    await serveKeyed(parts, { ...keyed, dispatch, left: { kind: 'keyless' } })
  } catch (error) {
    // The client has left while the form of its payload was made.
    if (error !== gone.reason) refuseError(response, error, undefined)
  }
}

/**
 * The upstream gets a key, too: an upstream that honours keys runs what a crash repeats once. It must not take the next
 * window's call for this one's, so the key is made of the window as well.
 */
async function sendWithKey(parts: ProxyParts, keyed: KeyedRequest, run: Run, attempt: Attempt): Promise<void> {
  const { engine } = parts
  const { request, head, route, rules, target, body } = keyed
  try {
    const fence = await windowFence(engine.store, attempt, rules.retentionMs)
    // The store may have taken its time: nothing begins under a lease that is about to end.
    if ((await attempt.begin()) === 'lost') return run.end({ end: 'free', problem: () => comeAgain })
    const key = deriveKey(engine.identity.fingerprintKey, attempt.key, `window ${fence}`)
    const headers = ['Accept-Encoding', 'identity', ...withoutKey(head.forward), 'Idempotency-Key', key]
    const call = { method: request.method ?? 'POST', target, headers, body }
    route.upstream.send(call, new RunSink(run, route.upstream).intake)
  } catch {
    run.end({ end: 'free', problem: () => ({ code: 'STORE_UNAVAILABLE', detail: 'Nothing was run.' }) })
  }
}

/** Where keys stand in another header, a client's line of that name is no key here; upstream two of them are none. */
function withoutKey(headers: readonly string[]): string[] {
  return headers.filter((_, at) => headers[at & ~1]?.toLowerCase() !== 'idempotency-key')
}

const comeAgain = {
  code: 'IN_FLIGHT',
  detail: 'Nothing was sent: this process lost the call.',
  retryAfterMs: 1_000,
} as const
