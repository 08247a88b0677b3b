import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Engine } from 'retrysafe/internal/engine/engine'
import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import { isProblemCode, problemKinds } from 'retrysafe/internal/protocol/problem'
import { isLoopback } from '../config/config.ts'
import type { Stats } from '../ledger/stats.ts'
import { AdminError, readJson, sendJson } from './exchange.ts'
import { listRecords, purgeRecord, resolveRecord, showRecord, unknownRecords } from './records.ts'

export interface AdminOptions {
  readonly engine: Engine
  readonly host: string
  readonly token: string | undefined
  /** Why it should get no requests; `undefined`: it is ready. */
  readonly unreadyReason: () => string | undefined
  /** What calls have cost and saved. Rejects as the store does. */
  readonly stats: () => Promise<Stats>
}

/** The admin listener: what is kept, and what an operator may do about it. Shows no credential and no body. */
export function createAdmin(options: AdminOptions): Server {
  return createServer((request, response) => {
    answer(options, request, response).catch(error => {
      if (error instanceof AdminError) return sendJson(response, error.status, { error: error.message })
      if (error instanceof RetrysafeError && isProblemCode(error.code)) {
        return sendJson(response, problemKinds[error.code].status, { error: error.message, code: error.code })
      }
      sendJson(response, 503, { error: error instanceof Error ? error.message : 'the store did not answer' })
    })
  })
}

async function answer(options: AdminOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(`http://admin${request.url?.startsWith('/') ? request.url : '/'}`)
  if (url.pathname === '/livez') return sendText(response, 200, 'ok\n')
  if (url.pathname === '/readyz') {
    const reason = options.unreadyReason()
    return sendText(response, reason === undefined ? 200 : 503, `${reason ?? 'ok'}\n`)
  }
  guard(options, request)
  const { store } = options.engine
  const parts = url.pathname.split('/').filter(part => part !== '')
  const [api, version, collection, id, act, tooMuch] = parts
  if (api !== 'api' || version !== 'v1' || tooMuch !== undefined) throw notFound()
  const route = `${request.method} ${collection}${id === undefined ? '' : '/ID'}${act === undefined ? '' : `/${act}`}`
  switch (route) {
    case 'GET records':
      return sendJson(response, 200, await listRecords(store, url.searchParams))
    case 'GET unknown':
      return sendJson(response, 200, await unknownRecords(store, url.searchParams))
    case 'GET stats':
      return sendJson(response, 200, await options.stats())
    case 'GET records/ID':
      return sendJson(response, 200, await showRecord(store, id ?? ''))
    case 'DELETE records/ID':
      return sendJson(response, 200, await purgeRecord(store, id ?? '', url.searchParams))
    case 'POST records/ID/resolve':
      return sendJson(response, 200, await resolveRecord(store, id ?? '', await readJson(request)))
    default:
      throw notFound()
  }
}

/**
 * The Host is checked, so that no web page can reach this listener under a name of its own (DNS rebinding); a request
 * that a browser sends for another site is refused.
 */
function guard({ host, token }: AdminOptions, request: IncomingMessage): void {
  const { headers } = request
  if (token !== undefined) {
    if (!isToken(headers.authorization, token)) throw new AdminError(401, 'send Authorization: Bearer <--admin-token>')
    return
  }
  const named = (headers.host ?? '').replace(/:\d+$/, '')
  if (!isLoopback(named) && named !== host) throw new AdminError(403, 'this Host is not the admin listener')
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new AdminError(403, 'another site asks')
}

function isToken(authorization: string | undefined, token: string): boolean {
  const given = Buffer.from(authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.byteLength === wanted.byteLength && timingSafeEqual(given, wanted)
}

function notFound(): AdminError {
  return new AdminError(
    404,
    'here are GET /api/v1/records, GET /api/v1/unknown, GET /api/v1/stats, GET and DELETE /api/v1/records/{id}, POST /api/v1/records/{id}/resolve, /livez, /readyz',
  )
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain' }).end(text)
}
