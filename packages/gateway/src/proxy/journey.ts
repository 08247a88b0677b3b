import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Attempt } from 'retrysafe/internal/engine/attempt'
import type { Call } from 'retrysafe/internal/engine/claim'
import type { Engine } from 'retrysafe/internal/engine/engine'
import { storeKey } from 'retrysafe/internal/engine/identity'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import {
  canonicalFingerprint,
  type Fingerprint,
  type FingerprintInput,
  rawFingerprint,
} from 'retrysafe/internal/fingerprint/fingerprint'
import type { OutcomeWord } from 'retrysafe/internal/protocol/headers'
import type { Problem } from 'retrysafe/internal/protocol/problem'
import { waitBoundMs } from 'retrysafe/internal/protocol/wait'
import { type GatewayConfig, isLoopback } from '../config/config.ts'
import { readCallersKey, readTenant } from './caller.ts'
import { type KeyNotice, sendLive, sendProblem, sendReplay } from './caller-response.ts'
import { readBody } from './incoming.ts'
import { pass } from './pass.ts'
import { missingTenant, problemOf } from './refusal.ts'
import { type RequestHead, readRequestHead } from './request-head.ts'
import { Run } from './run.ts'
import { readTarget } from './target.ts'
import type { Upstream } from './upstream.ts'

export interface ProxyParts {
  readonly config: GatewayConfig
  readonly engine: Engine
  readonly upstream: Upstream
}

/** One request that carries a key, once its body is here. */
interface KeyedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHead
  readonly key: string
  readonly path: string
  readonly body: Buffer
}

/** The way of a request: head, key, tenant, body, fingerprint, claim, and then by the claim's answer. */
export async function travel(parts: ProxyParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { config, engine, upstream } = parts
  const target = readTarget(request.url ?? '')
  if (target.kind === 'invalid') return sendProblem(response, { code: 'REQUEST_INVALID', detail: target.reason })
  const { path, query } = target
  const tenantHeader = config.tenant.kind === 'header' ? config.tenant.name : undefined
  const head = readRequestHead(request.rawHeaders, { keys: config.keyHeaders, tenant: tenantHeader })
  const reading = readCallersKey(head, config.keyHeaders)
  if (!config.methods.has(request.method ?? '')) {
    const notice = reading.kind === 'key' ? noticeOf('bypassed', reading.key) : undefined
    return pass(upstream, { request, response, head, notice })
  }
  if (reading.kind === 'invalid') return sendProblem(response, { code: 'KEY_INVALID', detail: `${reading.reason}.` })
  if (reading.kind === 'absent') {
    if (config.keyless === 'pass') return pass(upstream, { request, response, head, notice: undefined })
    return sendProblem(response, { code: 'KEY_MISSING', detail: `Send ${config.keyHeaders[0]} (--keyless require).` })
  }
  const { key } = reading
  const tenant = readTenant(engine.identity, config.tenant, head, query, isLoopback(config.host))
  if (tenant === undefined)
    return refuse(response, key, { code: 'TENANT_MISSING', detail: missingTenant(config.tenant) })

  const body = await readBody(request, head.contentLength, config.maxRequestBytes)
  if (body.kind === 'left') return
  if (body.kind === 'too large') {
    response.shouldKeepAlive = false
    const detail = `${body.lengthBytes} bytes > ${config.maxRequestBytes} (--max-request).`
    return refuse(response, key, { code: 'BODY_TOO_LARGE', detail })
  }
  const keyed: KeyedRequest = { request, response, head, key, path, body: body.bytes }
  return perform(parts, keyed, callOf(parts, keyed, tenant, query))
}

/** Until the caller is served: a run that was lost to another is joined instead. */
async function perform(parts: ProxyParts, keyed: KeyedRequest, call: Call): Promise<void> {
  const { response, key } = keyed
  for (;;) {
    const entry = await parts.engine.enter(call)
    switch (entry.kind) {
      case 'run':
        if ((await run(parts, keyed, entry.attempt)) === 'served') return
        break
      case 'replay':
        return sendReplay(response, entry.replay, noticeOf(entry.joined ? 'joined' : 'replayed', key))
      case 'follow': {
        const { follower } = entry
        return sendLive(response, follower, follower.head.headers, noticeOf('joined', key))
      }
      case 'refused':
        return refuse(response, key, problemOf(entry.refusal))
      case 'left':
        return
    }
  }
}

async function run(parts: ProxyParts, keyed: KeyedRequest, attempt: Attempt): Promise<'served' | 'lost'> {
  const { response, request, head, path, body } = keyed
  const notice = noticeOf('executed', keyed.key)
  const begun = await attempt.begin().catch(async error => {
    // The store did not take the mark: nothing was sent, so the key is freed as soon as it listens again.
    void attempt.release('free')
    throw error
  })
  if (begun === 'lost') return 'lost'
  const { recordStatus } = parts.config
  const handler = new Run({ attempt, response, notice, path, recordStatus, surroundings: processSurroundings })
  const headers = ['Accept-Encoding', 'identity', ...withoutAcceptEncoding(head.forward)]
  parts.upstream.send({ method: request.method ?? 'POST', target: request.url ?? '/', headers, body }, handler)
  const result = await handler.result
  if (result.kind !== 'recording') return result.kind
  await sendLive(response, result.follower, result.head.headers, notice)
  return 'served'
}

function callOf({ config, engine, upstream }: ProxyParts, keyed: KeyedRequest, tenant: string, query: string): Call {
  const { request, response, head, key, path, body } = keyed
  const method = request.method ?? 'POST'
  const { mediaType, contentEncoding, counted } = head
  const input: FingerprintInput = { method, path, query, headers: counted, mediaType, contentEncoding, body }
  let canonical: Fingerprint | undefined
  let gone: AbortController | undefined
  return {
    key: storeKey(tenant, upstream.name, key),
    raw: rawFingerprint(engine.identity.fingerprintKey, input),
    canonical: () => (canonical ??= canonicalFingerprint(engine.identity.fingerprintKey, input)),
    leaseMs: config.leaseMs,
    retentionMs: config.retentionMs,
    onCrash: config.onCrash,
    maxAttempts: config.maxAttempts,
    label: { key, operation: upstream.name, tenant: tenant.slice(0, 8), method, path: path.slice(0, 256) },
    waitMs: waitBoundMs(head.wait, config.waitMs),
    // Made only for those who wait.
    get signal() {
      if (gone === undefined) {
        const controller = new AbortController()
        gone = controller
        if (response.destroyed) controller.abort()
        else response.once('close', () => controller.abort())
      }
      return gone.signal
    },
  }
}

function withoutAcceptEncoding(headers: readonly string[]): string[] {
  return headers.filter((_, at) => (headers[at & ~1] ?? '').toLowerCase() !== 'accept-encoding')
}

function noticeOf(outcome: OutcomeWord, key: string): KeyNotice {
  return { outcome, key }
}

function refuse(response: ServerResponse, key: string, problem: Problem): void {
  sendProblem(response, problem, noticeOf('refused', key))
}
