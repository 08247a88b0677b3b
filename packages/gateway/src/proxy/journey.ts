import type { IncomingMessage, ServerResponse } from 'node:http'
import { goneSignal } from 'retrysafe/internal/adapters/node/gone'
import { readBody } from 'retrysafe/internal/adapters/node/incoming'
import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import { ResponseCaller } from 'retrysafe/internal/adapters/node/response-caller'
import type { Engine } from 'retrysafe/internal/engine/engine'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { StoreKey } from 'retrysafe/internal/engine/record'
import type { OptionNames } from 'retrysafe/internal/engine/refusal'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import type { OutcomeWord } from 'retrysafe/internal/protocol/headers'
import type { Problem } from 'retrysafe/internal/protocol/problem'
import { waitBoundMs } from 'retrysafe/internal/protocol/wait'
import type { KeyNotice } from 'retrysafe/internal/server/caller'
import { readCallersKey } from 'retrysafe/internal/server/credentials'
import { refuseExpired } from 'retrysafe/internal/server/first-sent'
import { forkCall, KeyedCall, type KeyedCallTerms } from 'retrysafe/internal/server/keyed-call'
import { type Performance, perform } from 'retrysafe/internal/server/perform'
import { type RequestHead, readRequestHead } from 'retrysafe/internal/server/request-head'
import type { GatewayConfig } from '../config/config.ts'
import { refusalOf } from './admission.ts'
import { readTenant } from './caller.ts'
import type { CanonicalBodies } from './canonical-bodies.ts'
import type { Exchanges } from './exchanges.ts'
import { withForkedKey } from './fork.ts'
import type { KeyReuses } from './key-reuses.ts'
import { isUnavailable } from './outage.ts'
import { pass } from './pass.ts'
import { missingTenant, refuseDraining, refuseError, refuseSlow, unknownUpstream } from './refusal.ts'
import { RunSink } from './run-sink.ts'
import type { StoreWatch } from './store-watch.ts'
import { readTarget } from './target.ts'
import type { Route, Upstreams } from './upstreams.ts'

export interface ProxyParts {
  readonly config: GatewayConfig
  readonly engine: Engine
  readonly storeWatch: StoreWatch
  readonly upstreams: Upstreams
  readonly canonicalBodies: CanonicalBodies
  /** Callers without a credential are let in: only this machine can reach the listener. */
  readonly anonymous: boolean
  readonly exchanges: Exchanges
  readonly reuses: KeyReuses
  readonly isDraining: () => boolean
  readonly log: (message: string) => void
}

/** As the operator knows them. */
export const names: OptionNames = {
  maxWaiters: '--max-waiters',
  maxResult: '--max-result',
  fork: '--key-reuse fork',
}

/** One request that carries a key. */
interface KeyedHead {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHead
  readonly key: string
  readonly route: Route
  /** Path and query as the upstream takes them. */
  readonly target: string
}

/** The same, once its body is here. */
interface KeyedRequest extends KeyedHead {
  readonly body: Buffer
}

/** The way of a request: target, upstream, head, key, tenant, body, fingerprint, claim, and then by the claim's answer. */
export async function travel(parts: ProxyParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { config, engine } = parts
  const url = request.url ?? ''
  const asked = readTarget(url)
  if (asked.kind === 'invalid') return sendProblem(response, { code: 'REQUEST_INVALID', detail: asked.reason })
  const tenantHeader = config.tenant.kind === 'header' ? config.tenant.name : undefined
  const head = readRequestHead(request.rawHeaders, { keys: config.keyHeaders, tenant: tenantHeader })
  const refusal = refusalOf(request, head)
  if (refusal !== undefined) return sendProblem(response, refusal)
  const route = parts.upstreams.find(asked.path)
  if (route === undefined) return sendProblem(response, unknownUpstream(parts.upstreams.prefixes))
  const target = route.path + url.slice(asked.path.length)
  const reading = readCallersKey(head, config.keyHeaders)
  if (parts.isDraining()) {
    return refuseDraining(response, reading.kind === 'key' ? noticeOf('refused', reading.key) : undefined)
  }
  if (!config.methods.has(request.method ?? '')) {
    const notice = reading.kind === 'key' ? noticeOf('bypassed', reading.key) : undefined
    return pass(route.upstream, { request, response, head, target, notice })
  }
  if (reading.kind === 'invalid') return sendProblem(response, { code: 'KEY_INVALID', detail: `${reading.reason}.` })
  if (reading.kind === 'absent') {
    if (config.keyless === 'pass') return pass(route.upstream, { request, response, head, target, notice: undefined })
    return sendProblem(response, { code: 'KEY_MISSING', detail: `Send ${config.keyHeaders[0]} (--keyless require).` })
  }
  const { key } = reading
  const tenant = readTenant(engine.identity, config.tenant, head, asked.query, parts.anonymous, request.socket)
  if (tenant === undefined)
    return refuse(response, key, { code: 'TENANT_MISSING', detail: missingTenant(config.tenant) })
  const keyed: KeyedHead = { request, response, head, key, route, target }
  // What a forked call is named after is not here yet.
  const named = config.keyReuse === 'reject' ? storeKey(tenant, route.upstream.name, key) : undefined
  if (named !== undefined && isBypassed(parts, named)) return passUnprotected(parts, keyed)
  const body = await takeBody(parts, keyed)
  if (body === undefined) return
  await serveKeyed(parts, { ...keyed, body }, tenant, asked.query)
}

/** `undefined`: the client has left, or has been refused, also because of a shutdown. */
async function takeBody(
  { config, exchanges }: ProxyParts,
  { request, response, head, key }: KeyedHead,
): Promise<Buffer | undefined> {
  exchanges.uploading.set(response, noticeOf('refused', key))
  const { timers } = processSurroundings
  const body = await readBody(request, response, head.contentLength, config.maxRequestBytes, timers)
  exchanges.uploading.delete(response)
  if (response.headersSent) return undefined
  switch (body.kind) {
    case 'body':
      return body.bytes
    case 'left':
      return undefined
    case 'too slow':
      refuseSlow(response, noticeOf('refused', key))
      return undefined
    case 'too large': {
      const detail = `${body.lengthBytes} bytes > ${config.maxRequestBytes} (--max-request).`
      refuse(response, key, { code: 'BODY_TOO_LARGE', detail })
      return undefined
    }
  }
}

async function serveKeyed(parts: ProxyParts, keyed: KeyedRequest, tenant: string, query: string): Promise<void> {
  const { response, key } = keyed
  try {
    const terms = termsOf(parts, keyed, tenant, query)
    if (parts.config.keyReuse === 'reject') return await performKeyed(parts, keyed, terms, new KeyedCall(terms))
    const call = await forkCall(terms)
    const forked = { ...keyed, head: withForkedKey(keyed.head, parts.engine.identity, call.key) }
    return isBypassed(parts, call.key) ? passUnprotected(parts, forked) : await performKeyed(parts, forked, terms, call)
  } catch (error) {
    // The client has left while the form of its payload was made.
    if (error === goneSignal(response).reason) return
    if (!isUnavailable(error)) parts.log(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
    refuseError(response, error, noticeOf('refused', key))
  }
}

function termsOf(
  parts: ProxyParts,
  { request, response, head, key, route, body }: KeyedRequest,
  tenant: string,
  query: string,
): KeyedCallTerms {
  const { config, engine } = parts
  const { mediaType, parameters, contentEncoding, counted: headers } = head
  const method = request.method ?? 'POST'
  return {
    policy: config,
    fingerprintKey: engine.identity.fingerprintKey,
    canonicalBody: (input, signal) => parts.canonicalBodies.of(input, signal),
    operation: route.upstream.name,
    tenant,
    key,
    input: { method, path: route.path, query, headers, mediaType, parameters, contentEncoding, body },
    waitMs: waitBoundMs(head.wait, config.waitMs),
    gone: () => goneSignal(response),
  }
}

async function performKeyed(
  parts: ProxyParts,
  keyed: KeyedRequest,
  { tenant, input }: KeyedCallTerms,
  call: KeyedCall,
): Promise<void> {
  const { config, engine } = parts
  const { request, response, head, key, route, target, body } = keyed
  const { upstream } = route
  const performance: Performance = {
    engine,
    call,
    tenant,
    caller: new ResponseCaller(response),
    notice: outcome => noticeOf(outcome, key),
    path: upstream.basePath + route.path,
    recordStatus: config.recordStatus,
    names,
    surroundings: processSurroundings,
    dispatch(run) {
      const headers = ['Accept-Encoding', 'identity', ...head.forward]
      upstream.send({ method: input.method, target, headers, body }, new RunSink(run, upstream).intake)
    },
    tell: turn => {
      if (turn.kind === 'refused' && turn.code === 'KEY_REUSED') parts.reuses.met()
    },
  }
  const performing = config.expiryAware
    ? refuseExpired(engine.store, config.retentionMs, key, request.rawHeaders).then(expired => {
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

/** The store is out of reach, and `--on-store-error open` holds, but for what this process runs already. */
function isBypassed({ storeWatch }: ProxyParts, key: StoreKey): boolean {
  return storeWatch.isBypassed && !storeWatch.isRunning(key)
}

/** The store is out of reach, and `--on-store-error open` holds: as if the request had come without its key. */
async function passUnprotected(parts: ProxyParts, keyed: KeyedHead & { readonly body?: Buffer }): Promise<void> {
  // Without its client nobody has paid for anything yet.
  if (keyed.response.destroyed) return
  parts.storeWatch.outage.countPassed()
  return pass(keyed.route.upstream, { ...keyed, notice: noticeOf('bypassed', keyed.key) })
}

function noticeOf(outcome: OutcomeWord, key: string): KeyNotice {
  return { outcome, key }
}

function refuse(response: ServerResponse, key: string, problem: Problem): void {
  sendProblem(response, problem, noticeOf('refused', key))
}
