import type { ServerResponse } from 'node:http'
import { breakOff, sendProblem } from 'retrysafe/internal/adapters/node/response'
import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import type { CrashPolicy } from 'retrysafe/internal/engine/record'
import { outcomeUnknown } from 'retrysafe/internal/engine/refusal'
import { isProblemCode, type Problem } from 'retrysafe/internal/protocol/problem'
import type { KeyNotice } from 'retrysafe/internal/server/caller'
import type { TenantMode } from '../config/config.ts'
import { isFull, isUnavailable } from './outage.ts'
import type { UpstreamFailure } from './upstream.ts'

const nothingRun = 'Nothing was run.'

/** A store that cannot be asked, or takes nothing more, refuses what carries a key: nothing has begun. */
export function refuseError(response: ServerResponse, error: unknown, notice: KeyNotice | undefined): void {
  // Where the store is, and how it is reached, the log says to the operator: nobody else is to know.
  if (isFull(error) || isUnavailable(error)) {
    return sendProblem(
      response,
      { code: isFull(error) ? 'STORE_FULL' : 'STORE_UNAVAILABLE', detail: nothingRun },
      notice,
    )
  }
  if (error instanceof RetrysafeError && isProblemCode(error.code)) {
    return sendProblem(response, { code: error.code, detail: error.message }, notice)
  }
  // A fault of ours: what has been written of an answer must not pass for a whole one.
  if (response.headersSent) return breakOff(response)
  response.writeHead(500, { 'Content-Type': 'text/plain' }).end('internal error of the gateway\n')
}

/** Nothing new is taken any more; the connection ends with this answer. */
export function refuseDraining(response: ServerResponse, notice: KeyNotice | undefined): void {
  response.shouldKeepAlive = false
  sendProblem(response, { code: 'DRAINING', detail: 'This gateway is shutting down.', retryAfterMs: 1_000 }, notice)
}

/** The client stopped sending, or sends too slowly; its connection ends with this answer. */
export function refuseSlow(response: ServerResponse, notice: KeyNotice | undefined): void {
  response.shouldKeepAlive = false
  sendProblem(
    response,
    { code: 'BODY_TIMEOUT', detail: 'The body did not come in time; nothing was kept of it.' },
    notice,
  )
}

export function missingTenant(tenant: TenantMode): string {
  if (tenant.kind === 'header') return `The header ${tenant.name}, which names the tenant, is missing or empty.`
  return 'Send the credential that the upstream takes (Authorization, x-api-key, api-key, x-goog-api-key or ?key=).'
}

/** @param prefixes how the paths begin that are served */
export function unknownUpstream(prefixes: string): Problem {
  return {
    code: 'UPSTREAM_UNKNOWN',
    detail: `No upstream serves this path; those that are served begin with ${prefixes}.`,
  }
}

/** Why no whole answer came, in words; under `fail`, what came after the dispatch leaves the outcome unknown. */
export function problemOfFailure(failure: UpstreamFailure, onCrash: CrashPolicy): Problem {
  switch (failure.kind) {
    case 'unreachable':
      return {
        code: 'UPSTREAM_UNREACHABLE',
        detail: `No connection to the upstream (${failure.reason}); nothing was sent.`,
      }
    case 'cut':
      if (onCrash === 'fail') return outcomeUnknown(`the upstream cut the connection (${failure.reason})`)
      return {
        code: 'UPSTREAM_UNREACHABLE',
        detail: `The upstream took the request and cut the connection before a whole answer (${failure.reason}).`,
      }
    case 'silent':
      if (onCrash === 'fail') return outcomeUnknown('the upstream took the request and stayed silent')
      return {
        code: 'UPSTREAM_TIMEOUT',
        detail: 'The upstream took the request and stayed silent (--upstream-timeout).',
      }
  }
}
