import { type Dispatcher, errors, Pool } from 'undici'
import type { UpstreamTarget } from '../config/config.ts'

export interface UpstreamRequest {
  readonly method: string
  /** Path and query as the client sent them. */
  readonly target: string
  readonly headers: string[]
  readonly body: Dispatcher.DispatchOptions['body']
}

/** One upstream with its connections. */
export interface Upstream {
  readonly name: string
  send(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void
  close(): Promise<void>
}

/** Long calls keep a connection each, so there must be many; but not without end. */
const maxConnections = 4_096
const connectTimeoutMs = 10_000
const maxHeaderBytes = 65_536

export function openUpstream(target: UpstreamTarget, silenceMs: number): Upstream {
  const pool = new Pool(target.origin, {
    connections: maxConnections,
    pipelining: 1,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connect: { timeout: Math.min(connectTimeoutMs, silenceMs) },
    maxHeaderSize: maxHeaderBytes,
  })
  return {
    name: target.name,
    send({ method, target: pathAndQuery, headers, body }, handler) {
      const path = target.basePath + pathAndQuery
      // A call that costs is never sent twice by the connection pool.
      pool.dispatch({ path, method, headers, body: body ?? null, idempotent: false }, handler)
    },
    close: () => pool.destroy(),
  }
}

/** Why no whole answer came. */
export type UpstreamFailure =
  | { kind: 'silent' }
  | { kind: 'unreachable'; reason: string }
  | { kind: 'cut'; reason: string }

/** @param begun whether bytes of the request may have been sent */
export function failureOf(error: unknown, begun: boolean): UpstreamFailure {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return { kind: 'silent' }
  const reason = reasonOf(error)
  return begun ? { kind: 'cut', reason } : { kind: 'unreachable', reason }
}

/** The code names it well enough (ECONNREFUSED, ENOTFOUND, …); messages may hold addresses. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const code: unknown = Reflect.get(error, 'code')
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return typeof code === 'string' ? code : error.name
}
