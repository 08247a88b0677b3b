import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { Problem } from 'retrysafe/internal/protocol/problem'
import { readCallersKey } from 'retrysafe/internal/server/credentials'
import { readRequestHead } from 'retrysafe/internal/server/request-head'
import { refusalOf } from './admission.ts'
import { takeBody } from './body.ts'
import { readTenant } from './caller.ts'
import { readWishes } from './client-rules.ts'
import { isBypassed, type KeyedHead, noticeOf, passUnprotected, serveKeyed } from './keyed.ts'
import { serveKeyless } from './keyless/keyless.ts'
import { passObserved } from './observe/pass-observed.ts'
import type { ProxyParts } from './parts.ts'
import { pass } from './pass.ts'
import { missingTenant, refuseDraining, unknownUpstream } from './refusal.ts'
import { readTarget } from './target.ts'

/** The way of a request: target, upstream, head, key, tenant, body, fingerprint, claim, and then by the claim's answer. */
export async function travel(parts: ProxyParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { config, engine } = parts
  const url = request.url ?? ''
  const asked = readTarget(url)
  if (asked.kind === 'invalid') return sendProblem(response, { code: 'REQUEST_INVALID', detail: asked.reason })
  const ruled = parts.rules.find(asked.path)
  const tenantHeader = ruled.tenant.kind === 'header' ? ruled.tenant.name : undefined
  const roles = { keys: config.keyHeaders, tenant: tenantHeader, keepsOurs: config.observe }
  const head = readRequestHead(request.rawHeaders, roles)
  const refusal = refusalOf(request, head)
  if (refusal !== undefined) return sendProblem(response, refusal)
  const route = parts.upstreams.find(asked.path)
  if (route === undefined) return sendProblem(response, unknownUpstream(parts.upstreams.prefixes))
  const target = route.path + url.slice(asked.path.length)
  const reading = readCallersKey(head, config.keyHeaders)
  if (parts.isDraining()) {
    return refuseDraining(response, reading.kind === 'key' ? noticeOf('refused', reading.key) : undefined)
  }
  const wishes = readWishes(ruled, head, config.clientHeaders)
  if (parts.observer !== undefined) {
    const rules = wishes.kind === 'rules' ? wishes.rules : ruled
    const isCounted = wishes.kind === 'rules' && reading.kind !== 'invalid' && rules.methods.has(request.method ?? '')
    const key = reading.kind === 'key' ? reading.key : undefined
    const routed = { request, response, head, route, rules, target, query: asked.query }
    return passObserved(parts, parts.observer, routed, isCounted ? { key } : undefined)
  }
  if (wishes.kind === 'bypass' || !ruled.methods.has(request.method ?? '')) {
    const notice = reading.kind === 'key' ? noticeOf('bypassed', reading.key) : undefined
    return pass(route.upstream, { request, response, head, target, notice })
  }
  if (reading.kind === 'invalid') return sendProblem(response, { code: 'KEY_INVALID', detail: `${reading.reason}.` })
  if (wishes.kind === 'invalid') {
    const notice = reading.kind === 'key' ? noticeOf('refused', reading.key) : undefined
    return sendProblem(response, { code: 'REQUEST_INVALID', detail: wishes.reason }, notice)
  }
  const { rules } = wishes
  if (reading.kind === 'absent') {
    return serveKeyless(parts, { request, response, head, route, rules, target, query: asked.query })
  }
  const { key } = reading
  const tenant = readTenant(engine.identity, rules.tenant, head, asked.query, parts.anonymous, request.socket)
  if (tenant === undefined)
    return refuse(response, key, { code: 'TENANT_MISSING', detail: missingTenant(rules.tenant) })
  const keyed: KeyedHead = { request, response, head, route, rules, target, query: asked.query, key, tenant }
  // What a forked call is named after is not here yet.
  const named = rules.keyReuse === 'reject' ? storeKey(tenant, route.upstream.name, key) : undefined
  if (named !== undefined && isBypassed(parts, named)) return passUnprotected(parts, keyed)
  const body = await takeBody(parts, keyed, noticeOf('refused', key))
  if (body === undefined) return
  await serveKeyed(parts, { ...keyed, body })
}

function refuse(response: ServerResponse, key: string, problem: Problem): void {
  sendProblem(response, problem, noticeOf('refused', key))
}
