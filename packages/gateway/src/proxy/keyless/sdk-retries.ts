import { takeBody } from '../body.ts'
import { readTenant } from '../caller.ts'
import { graceOf } from '../grace.ts'
import type { ProxyParts, RoutedRequest } from '../parts.ts'
import { pass } from '../pass.ts'
import { AttendedCall } from './attended-call.ts'
import { findOffer } from './find-offer.ts'
import { goOnWith } from './left-call.ts'
import { PairableCall } from './pairable-call.ts'
import { readRetryCount } from './retry-count.ts'
import { serveTaken } from './taken-call.ts'

/** The body of a client that says nothing of retries is kept only if it is as short as those that go in one write. */
const silentBytes = 65_536

/**
 * `--keyless sdk-retries`: every call passes untouched; but one whose client leaves before its answer was written goes
 * on, and its retry, by its count, gets that answer.
 */
export async function serveSdkRetry(parts: ProxyParts, routed: RoutedRequest): Promise<void> {
  const { request, head, route, rules, query } = routed
  const { config, engine, pairing } = parts
  const untouched = (): Promise<void> =>
    pass(route.upstream, { ...routed, notice: undefined, grace: graceOf(rules.onDisconnect, { kind: 'keyless' }) })
  const count = readRetryCount(head.retryCount)
  if (count === undefined) pairing.strangeCounts.met()
  const tenant = readTenant(engine.identity, rules.tenant, head, query, parts.anonymous, request.socket)
  const lengthBytes = head.contentLength ?? 0
  const maxBytes = head.retryCount === undefined ? silentBytes : config.maxRequestBytes
  const isWithin = lengthBytes > 0 && lengthBytes <= Math.min(maxBytes, config.maxRequestBytes)
  if (count === undefined || tenant === undefined || !isWithin) return untouched()
  if (!pairing.bodies.take(lengthBytes)) {
    pairing.crowded.met()
    return untouched()
  }
  try {
    const body = await takeBody(parts, routed, undefined)
    if (body === undefined) return
    const call = new PairableCall(parts, routed, { tenant, body, count })
    const offered = count > 0 ? await findOffer(parts, call) : undefined
    if (offered !== undefined) await serveTaken(parts, call, offered)
    else if (!routed.response.destroyed) await attend(parts, call)
  } finally {
    pairing.bodies.give(lengthBytes)
  }
}

/** Sends it as it came, and resolves when nothing is to be done for it any more. */
function attend(parts: ProxyParts, call: PairableCall): Promise<void> {
  const { request, head, route, target } = call.routed
  const headers = [...head.forward]
  if (head.acceptEncoding !== undefined) headers.push('Accept-Encoding', head.acceptEncoding)
  return new Promise(resolve => {
    const leave = (): void => void goOnWith(parts, call, attended)
    const attended = new AttendedCall(call, parts.pairing, leave, resolve)
    const sent = { method: request.method ?? 'POST', target, headers, body: call.body }
    route.upstream.send(sent, attended.intake)
  })
}
