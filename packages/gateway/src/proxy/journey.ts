import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Attempt } from 'retrysafe/internal/engine/attempt'
import type { Engine } from 'retrysafe/internal/engine/engine'
import { storeKey } from 'retrysafe/internal/engine/identity'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import type { OutcomeWord } from 'retrysafe/internal/protocol/headers'
import type { Problem } from 'retrysafe/internal/protocol/problem'
import { waitBoundMs } from 'retrysafe/internal/protocol/wait'
import type { GatewayConfig } from '../config/config.ts'
import { refusalOf } from './admission.ts'
import { readCallersKey, readTenant } from './caller.ts'
import { type KeyNotice, sendLive, sendProblem, sendReplay, sendWhole } from './caller-response.ts'
import type { CanonicalBodies } from './canonical-bodies.ts'
import type { Exchanges } from './exchanges.ts'
import { readBody } from './incoming.ts'
import { KeyedCall } from './keyed-call.ts'
import { isUnavailable } from './outage.ts'
import { pass } from './pass.ts'
import { missingTenant, problemOf, refuseDraining, refuseError, refuseSlow, unknownUpstream } from './refusal.ts'
import { type RequestHead, readRequestHead } from './request-head.ts'
import { type OwnAnswer, Run, type RunResult } from './run.ts'
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
  readonly isDraining: () => boolean
  readonly log: (message: string) => void
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
  const { storeWatch } = parts
  if (storeWatch.isBypassed && !storeWatch.isRunning(storeKey(tenant, route.upstream.name, key))) {
    return passUnprotected(parts, keyed)
  }
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
  const { config, engine } = parts
  const { request, response, head, key, route, body } = keyed
  const { mediaType, parameters, contentEncoding, counted } = head
  const method = request.method ?? 'POST'
  const call = new KeyedCall({
    config,
    fingerprintKey: engine.identity.fingerprintKey,
    canonicalBodies: parts.canonicalBodies,
    upstream: route.upstream.name,
    tenant,
    key,
    input: { method, path: route.path, query, headers: counted, mediaType, parameters, contentEncoding, body },
    waitMs: waitBoundMs(head.wait, config.waitMs),
    response,
  })
  await perform(parts, keyed, call).catch(error => {
    if (isUnavailable(error)) {
      if (parts.storeWatch.failed(call)) return passUnprotected(parts, keyed)
      parts.storeWatch.outage.countRefused()
    } else parts.log(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
    refuseError(response, error, noticeOf('refused', key))
  })
}

/** The store is out of reach, and `--on-store-error open` holds: as if the request had come without its key. */
async function passUnprotected(parts: ProxyParts, keyed: KeyedHead & { readonly body?: Buffer }): Promise<void> {
  // Without its client nobody has paid for anything yet.
  if (keyed.response.destroyed) return
  parts.storeWatch.outage.countPassed()
  return pass(keyed.route.upstream, { ...keyed, notice: noticeOf('bypassed', keyed.key) })
}

/** Until the caller is served. A run whose record became somebody else's joins that, and never runs a second time. */
async function perform(parts: ProxyParts, keyed: KeyedRequest, call: KeyedCall): Promise<void> {
  const { response, key } = keyed
  let lost: Extract<RunResult, { kind: 'lost' }> | undefined
  for (;;) {
    const entry = await parts.engine.enter(call)
    switch (entry.kind) {
      case 'run': {
        const result = await run(parts, keyed, entry.attempt)
        if (result.kind === 'served') return
        if (result.kind === 'lost') {
          lost = result
          call.mayRun = false
        }
        break
      }
      case 'replay':
        return sendReplay(response, entry.replay, noticeOf(entry.joined ? 'joined' : 'replayed', key))
      case 'follow': {
        const { follower } = entry
        return sendLive(response, follower, follower.head.headers, noticeOf('joined', key))
      }
      case 'refused':
        return refuse(response, key, problemOf(entry.refusal, call.comparedAs))
      case 'none':
        return serveOwn(keyed, lost?.own)
      case 'left':
        return
    }
  }
}

async function run(
  parts: ProxyParts,
  keyed: KeyedRequest,
  attempt: Attempt,
): Promise<{ kind: 'served' } | { kind: 'not begun' } | Extract<RunResult, { kind: 'lost' }>> {
  const { response, request, head, route, target, body } = keyed
  const { upstream } = route
  const notice = noticeOf('executed', keyed.key)
  const begun = await attempt.begin().catch(error => {
    // The store did not take the mark: nothing was sent, so the key is freed as soon as it listens again.
    void attempt.release('free')
    throw error
  })
  if (begun === 'lost') return { kind: 'not begun' }
  const { recordStatus } = parts.config
  const { intake, result } = new Run({
    attempt,
    response,
    notice,
    path: upstream.basePath + route.path,
    recordStatus,
    surroundings: processSurroundings,
  })
  const headers = ['Accept-Encoding', 'identity', ...head.forward]
  upstream.send({ method: request.method ?? 'POST', target, headers, body }, intake)
  const served = await result
  if (intake.unknownCoding !== undefined) upstream.noteCoding(intake.unknownCoding)
  if (served.kind !== 'recording') return served
  await sendLive(response, served.follower, served.head.headers, notice)
  return { kind: 'served' }
}

/** An operator has purged the record while it ran: the caller still gets what it paid for, if that is here. */
function serveOwn({ response, key }: KeyedRequest, own: OwnAnswer | undefined): void {
  if (own !== undefined) return sendWhole(response, own.head, own.body, noticeOf('executed', key))
  const detail = 'The record of this run was removed while it ran; its answer is lost. Come again to run anew.'
  refuse(response, key, { code: 'IN_FLIGHT', detail, retryAfterMs: 1_000 })
}

function noticeOf(outcome: OutcomeWord, key: string): KeyNotice {
  return { outcome, key }
}

function refuse(response: ServerResponse, key: string, problem: Problem): void {
  sendProblem(response, problem, noticeOf('refused', key))
}
