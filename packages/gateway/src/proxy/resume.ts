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
  const tenantHeader = config.tenant.kind === 'header' ? config.tenant.name : undefined
  const head = readRequestHead(request.rawHeaders, { keys: [], tenant: tenantHeader })
  const refusal = refusalOf(request, head)
  if (refusal !== undefined) return sendProblem(response, refusal, refused)
  if (parts.isDraining()) return refuseDraining(response, refused)
  const { query } = asked
  const tenant = readTenant(engine.identity, config.tenant, head, query, parts.anonymous, request.socket)
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
