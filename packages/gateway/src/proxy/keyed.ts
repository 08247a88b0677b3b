import { goneSignal } from 'retrysafe/internal/adapters/node/gone'
import { ResponseCaller } from 'retrysafe/internal/adapters/node/response-caller'
import type { StoreKey } from 'retrysafe/internal/engine/record'
import type { OptionNames } from 'retrysafe/internal/engine/refusal'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import type { Fingerprint, FingerprintInput } from 'retrysafe/internal/fingerprint/fingerprint'
import type { OutcomeWord } from 'retrysafe/internal/protocol/headers'
import { waitBoundMs } from 'retrysafe/internal/protocol/wait'
import type { Caller, KeyNotice } from 'retrysafe/internal/server/caller'
import { refuseExpired } from 'retrysafe/internal/server/first-sent'
import { forkCall, KeyedCall, type KeyedCallTerms } from 'retrysafe/internal/server/keyed-call'
import { type Performance, perform } from 'retrysafe/internal/server/perform'
import { Retries } from 'retrysafe/internal/server/retries'
import type { Run } from 'retrysafe/internal/server/run'
import { withForkedKey } from './fork.ts'
import { graceOf, type LeftCall } from './grace.ts'
import { isFull, isUnavailable } from './outage.ts'
import type { ProxyParts, RoutedRequest } from './parts.ts'
import { pass } from './pass.ts'
import { refuseError } from './refusal.ts'
import { RunSink } from './run-sink.ts'

/** As the operator knows them. */
export const names: OptionNames = {
  maxWaiters: '--max-waiters',
  maxResult: '--max-result',
  fork: '--key-reuse fork',
}

/** One request that carries a key. */
export interface KeyedHead extends RoutedRequest {
  readonly key: string
  readonly tenant: string
}

/** The same, once its body is here. */
export interface KeyedRequest extends KeyedHead {
  readonly body: Buffer
  /** Where it has been made already. */
  readonly canonical?: Fingerprint
  /** Fires when its claim is not wanted any more. Default: when the client has left. */
  readonly gone?: AbortSignal
  /** Who is answered. Default: the client. */
  readonly caller?: Caller
  /** Begins the run otherwise than by sending the request as it came. */
  readonly dispatch?: Performance['dispatch']
  /** What its client leaves, when it leaves. Default: a call with a key. */
  readonly left?: LeftCall
  /** Hears how it goes. */
  readonly tell?: Performance['tell']
}

/** The way of a request whose key and body are here: its call, and then by the claim's answer. */
export async function serveKeyed(parts: ProxyParts, keyed: KeyedRequest): Promise<void> {
  const { response, key } = keyed
  try {
    const terms = termsOf(parts, keyed)
    if (keyed.rules.keyReuse === 'reject') return await performKeyed(parts, keyed, new KeyedCall(terms))
    const call = await forkCall(terms)
    const forked = { ...keyed, head: withForkedKey(keyed.head, parts.engine.identity, call.key) }
    return isBypassed(parts, call.key) ? passUnprotected(parts, forked) : await performKeyed(parts, forked, call)
  } catch (error) {
    // The client has left while the form of its payload was made.
    if (error === goneSignal(response).reason) return
    if (isFull(error)) parts.refusedAsFull.met(error.message)
    else if (!isUnavailable(error)) {
      parts.log(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
    }
    refuseError(response, error, noticeOf('refused', key))
  }
}

function termsOf(parts: ProxyParts, keyed: KeyedRequest): KeyedCallTerms {
  const { response, head, key, route, rules, tenant, canonical, gone } = keyed
  const { engine } = parts
  return {
    policy: rules,
    fingerprintKey: engine.identity.fingerprintKey,
    canonicalBody: (input, signal) => parts.canonicalBodies.of(input, signal),
    operation: route.upstream.name,
    tenant,
    key,
    input: inputOf(keyed, keyed.body),
    ...(canonical !== undefined && { canonical }),
    waitMs: waitBoundMs(head.wait, rules.waitMs),
    retries: rules.upstreamRetries,
    gone: () => gone ?? goneSignal(response),
  }
}

/** What makes it another request when it changes. */
export function inputOf({ request, head, route, rules, query }: RoutedRequest, body: Buffer): FingerprintInput {
  const { mediaType, parameters, contentEncoding, counted: headers } = head
  const method = request.method ?? 'POST'
  const counted = { method, path: route.path, query, headers, mediaType, parameters, contentEncoding, body }
  return rules.leaveOut === undefined ? counted : { ...counted, leaveOut: rules.leaveOut }
}

async function performKeyed(parts: ProxyParts, keyed: KeyedRequest, call: KeyedCall): Promise<void> {
  const { engine } = parts
  const { request, response, head, key, route, rules, tenant, body } = keyed
  const { upstream } = route
  const path = upstream.basePath + route.path
  const count = parts.ledger.open({
    key: call.key,
    tenant,
    upstream: upstream.name,
    path: route.path,
    upstreamPath: path,
    body,
  })
  const graceMs = graceOf(rules.onDisconnect, keyed.left ?? { kind: 'keyed' })
  // What goes on for nobody has been sent already: there is nothing to send again.
  const mayRetry = rules.upstreamRetries > 0 && keyed.caller === undefined
  const performance: Performance = {
    engine,
    call,
    tenant,
    caller: keyed.caller ?? new ResponseCaller(response),
    notice: outcome => noticeOf(outcome, key),
    path,
    recordStatus: rules.recordStatus,
    names,
    surroundings: processSurroundings,
    retries: mayRetry ? new Retries(call, head.wait, processSurroundings) : undefined,
    dispatch(run, attempt) {
      if (keyed.dispatch === undefined) sendAsItCame(keyed, run)
      else keyed.dispatch(run, attempt)
    },
    ...(graceMs !== 'finish' && { desertion: { gone: goneSignal(response), graceMs } }),
    tell: turn => {
      count(turn)
      if (turn.kind === 'refused' && turn.code === 'KEY_REUSED') parts.reuses.met()
      keyed.tell?.(turn)
      if (turn.kind === 'executed' && turn.deserted) parts.desertions.met()
    },
  }
  const performing = rules.expiryAware
    ? refuseExpired(engine.store, rules.retentionMs, key, request.rawHeaders).then(expired => {
        if (expired === undefined) return perform(performance)
        call.mayRun = false
        return perform({ ...performance, mayNotRun: expired })
      })
    : perform(performance)
  await performing.catch(error => {
    if (!isUnavailable(error)) throw error
    if (parts.storeWatch.failed(call)) return passUnprotected(parts, keyed)
    parts.storeWatch.outage.countRefused()
    throw error
  })
}

export function sendAsItCame({ request, head, route: { upstream }, target, body }: KeyedRequest, run: Run): void {
  const headers = ['Accept-Encoding', 'identity', ...head.forward]
  upstream.send({ method: request.method ?? 'POST', target, headers, body }, new RunSink(run, upstream).intake)
}

/** The store is out of reach, and `--on-store-error open` holds, but for what this process runs already. */
export function isBypassed({ storeWatch }: ProxyParts, key: StoreKey): boolean {
  return storeWatch.isBypassed && !storeWatch.isRunning(key)
}

/** The store is out of reach, and `--on-store-error open` holds: as if the request had come without its key. */
export async function passUnprotected(parts: ProxyParts, keyed: KeyedHead & { readonly body?: Buffer }): Promise<void> {
  // Without its client nobody has paid for anything yet.
  if (keyed.response.destroyed) return
  parts.storeWatch.outage.countPassed()
  return pass(keyed.route.upstream, { ...keyed, notice: noticeOf('bypassed', keyed.key) })
}

export function noticeOf(outcome: OutcomeWord, key: string): KeyNotice {
  return { outcome, key }
}
