import type { IncomingMessage, ServerResponse } from 'node:http'
import { goneSignal } from 'retrysafe/internal/adapters/node/gone'
import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import { ResponseCaller } from 'retrysafe/internal/adapters/node/response-caller'
import { readRequestHead } from 'retrysafe/internal/server/request-head'
import { resumeStream } from 'retrysafe/internal/server/resume'
import { refusalOf } from './admission.ts'
import { readTenant } from './caller.ts'
import { names } from './keyed.ts'
import { isUnavailable } from './outage.ts'
import type { ProxyParts } from './parts.ts'
import { missingTenant, refuseDraining, refuseError } from './refusal.ts'
import { readTarget } from './target.ts'

const refused = { outcome: 'refused', key: undefined } as const

/** The way of a request for the rest of a stream: target, head, tenant, and then by what became of the stream. */
export async function resume(
  parts: ProxyParts,
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
): Promise<void> {
  const { config, engine } = parts
  const asked = readTarget(request.url ?? '')
  if (asked.kind === 'invalid') return sendProblem(response, { code: 'REQUEST_INVALID', detail: asked.reason }, refused)
  const head = readRequestHead(request.rawHeaders, { keys: [], tenant: undefined })
  const refusal = refusalOf(request, head)
  if (refusal !== undefined) return sendProblem(response, refusal, refused)
  if (parts.isDraining()) return refuseDraining(response, refused)
  const { query } = asked
  const tenant = tenantOf(parts, request, query, id)
  if (tenant === undefined)
    return sendProblem(response, { code: 'TENANT_MISSING', detail: missingTenant(config.tenant) }, refused)
  const caller = new ResponseCaller(response)
  const resuming = resumeStream({ engine, caller, tenant, id, query, names, gone: () => goneSignal(response) })
  await resuming.catch(error => {
    if (isUnavailable(error)) parts.storeWatch.outage.countRefused()
    else parts.log(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
    refuseError(response, error, refused)
  })
}

/**
 * A stream's path is not its route's: of all ways to name a tenant, the one whose tenant the id was made for. Where it is
 * for none of them, any will do: the id is refused. `undefined`: the request names no tenant in any way.
 */
function tenantOf(
  { engine, rules, anonymous }: ProxyParts,
  request: IncomingMessage,
  query: string,
  id: string,
): string | undefined {
  const { identity } = engine
  const tenants = rules.tenants.flatMap(mode => {
    const tenantHeader = mode.kind === 'header' ? mode.name : undefined
    const head = readRequestHead(request.rawHeaders, { keys: [], tenant: tenantHeader })
    return readTenant(identity, mode, head, query, anonymous, request.socket) ?? []
  })
  return tenants.find(tenant => identity.streamIds.read(tenant, id) !== undefined) ?? tenants[0]
}
