import type { SecureContext } from 'node:tls'
import { type Dispatcher, errors, Pool } from 'undici'
import type { UpstreamTarget } from '../config/config.ts'

export interface UpstreamRequest {
  readonly method: string
  /** Path and query as this upstream takes them, without its base path. */
  readonly target: string
  readonly headers: string[]
  readonly body: Dispatcher.DispatchOptions['body']
}

/** Takes the answer; an error may come before there is a connection. */
export interface UpstreamHandler extends Dispatcher.DispatchHandler {
  onResponseError(controller: Dispatcher.DispatchController | undefined, error: Error): void
}

/** One upstream with its connections. */
export interface Upstream {
  readonly name: string
  /** Stands before every path. */
  readonly basePath: string
  send(request: UpstreamRequest, handler: UpstreamHandler): void
  /** Tells the operator, once for each coding, that answers come encoded in a way that cannot be decoded here. */
  noteCoding(contentEncoding: string): void
  close(): Promise<void>
}

/** What holds for every upstream. */
export interface UpstreamTerms {
  readonly silenceMs: number
  readonly log: (message: string) => void
  /** Absent: what Node trusts. */
  readonly trust?: SecureContext | undefined
  /** Default 4,096: long calls keep a connection each, so there must be many; but not without end. */
  readonly maxConnections?: number
  /** Calls that wait for a connection, at most. Default 4,096. */
  readonly maxQueued?: number
}

const connectTimeoutMs = 10_000
const maxHeaderBytes = 65_536
const maxNoted = 10

/** Opens its connections when they are needed. */
export function openUpstream(target: UpstreamTarget, terms: UpstreamTerms): Upstream {
  const { maxConnections = 4_096, maxQueued = 4_096 } = terms
  let pool: Pool | undefined
  let isFull = false
  const noted = new Set<string>()
  return {
    name: target.name,
    basePath: target.basePath,
    send({ method, target: pathAndQuery, headers, body }, handler) {
      pool ??= openPool(target, terms, maxConnections)
      if (isFull && pool.stats.queued >= maxQueued) return refuse(handler, body, maxConnections)
      // A call that costs is never sent twice by the connection pool.
      const path = target.basePath + pathAndQuery
      isFull = !pool.dispatch({ path, method, headers, body: body ?? null, idempotent: false }, handler)
    },
    noteCoding(contentEncoding) {
      if (noted.has(contentEncoding) || noted.size >= maxNoted) return
      noted.add(contentEncoding)
      const coding = JSON.stringify(contentEncoding.slice(0, 100))
      terms.log(
        `${target.origin} encodes its answers with ${coding} although it is asked not to: they are not recorded`,
      )
    },
    close: async () => pool?.destroy(),
  }
}

function openPool({ origin }: UpstreamTarget, { silenceMs, trust }: UpstreamTerms, connections: number): Pool {
  return new Pool(origin, {
    connections,
    pipelining: 1,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connect: {
      timeout: Math.min(connectTimeoutMs, silenceMs),
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
      rejectUnauthorized: true,
      ...(trust !== undefined && { secureContext: trust }),
    },
    maxHeaderSize: maxHeaderBytes,
  })
}

function refuse(handler: UpstreamHandler, body: UpstreamRequest['body'], maxConnections: number): void {
  if (body !== null && typeof body === 'object' && 'destroy' in body) body.destroy()
  const error = Object.assign(new Error('too many calls'), { code: `all ${maxConnections} connections are busy` })
  // Later, as with every other failure.
  queueMicrotask(() => handler.onResponseError(undefined, error))
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
