interface ProblemKind {
  status: number
  title: string
  /** What `x-should-retry` tells the SDK; absent where an SDK never sees it. */
  shouldRetry?: boolean
}

/** Every refusal that crosses the wire, by its stable code. Titles are the IETF draft's where it gives one. */
export const problemKinds = {
  KEY_INVALID: { status: 400, title: 'Idempotency-Key is malformed', shouldRetry: false },
  KEY_MISSING: { status: 400, title: 'Idempotency-Key is missing', shouldRetry: false },
  TENANT_MISSING: { status: 401, title: 'A credential is needed', shouldRetry: false },
  KEY_REUSED: { status: 422, title: 'Idempotency-Key is already used', shouldRetry: false },
  IN_FLIGHT: { status: 409, title: 'A request is outstanding for this Idempotency-Key', shouldRetry: true },
  KEY_EXPIRED: { status: 412, title: 'Idempotency-Key is older than the retention', shouldRetry: false },
  OUTCOME_UNKNOWN: { status: 424, title: 'The outcome of the first run is unknown', shouldRetry: false },
  RESULT_NOT_KEPT: { status: 424, title: 'The result was too large to keep', shouldRetry: false },
  BODY_TOO_LARGE: { status: 413, title: 'Request body too large', shouldRetry: false },
  HEADERS_TOO_LARGE: { status: 431, title: 'Request headers too large', shouldRetry: false },
  BODY_TIMEOUT: { status: 408, title: 'Request body too slow', shouldRetry: true },
  REQUEST_INVALID: { status: 400, title: 'The request is malformed', shouldRetry: false },
  EXPECTATION_FAILED: { status: 417, title: 'The expectation cannot be met', shouldRetry: false },
  QUOTA_EXCEEDED: { status: 429, title: 'Quota exceeded', shouldRetry: true },
  STORE_UNAVAILABLE: { status: 503, title: 'The store is out of reach', shouldRetry: true },
  STORE_FULL: { status: 503, title: 'The store is full', shouldRetry: false },
  OVERLOADED: { status: 503, title: 'The gateway is overloaded', shouldRetry: true },
  DRAINING: { status: 503, title: 'Shutting down', shouldRetry: true },
  HANDLER_FAILED: { status: 500, title: 'The handler failed' },
  HANDLER_TIMEOUT: { status: 504, title: 'The handler is silent', shouldRetry: true },
  CALLBACK_FAILED: { status: 500, title: 'The server failed to name the call', shouldRetry: false },
  UPSTREAM_UNKNOWN: { status: 404, title: 'No such upstream', shouldRetry: false },
  UPSTREAM_UNREACHABLE: { status: 502, title: 'The upstream is unreachable', shouldRetry: true },
  UPSTREAM_TIMEOUT: { status: 504, title: 'The upstream is silent', shouldRetry: true },
  STREAM_UNKNOWN: { status: 404, title: 'No such stream' },
  STREAM_SUPERSEDED: { status: 410, title: 'The stream was superseded by a newer run' },
  OFFSET_INVALID: { status: 416, title: 'Offset past the end of the stream' },
} as const

export type ProblemCode = keyof typeof problemKinds

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(problemKinds, code)
}

export interface Problem {
  code: ProblemCode
  detail: string
  /** When to come again, in ms; sent as `Retry-After` and `retry-after-ms`. */
  retryAfterMs?: number
}

/** A problem as it goes over the wire: status, headers and an RFC 9457 body with an `error` member that AI SDKs show. */
export interface ProblemAnswer {
  status: number
  /** The reason phrase: some SDKs show nothing else. */
  title: string
  headers: string[]
  body: string
}

/**
 * Puts a problem into its wire form.
 *
 * @example
 * problemAnswer({ code: 'IN_FLIGHT', detail: 'The first run is still going.', retryAfterMs: 1_000 }).status // 409
 * @see RFC 9457; draft-ietf-httpapi-idempotency-key-header-07 §2.7
 */
export function problemAnswer(problem: Problem): ProblemAnswer {
  const kind: ProblemKind = problemKinds[problem.code]
  const body = JSON.stringify({
    type: `urn:retrysafe:problem:${problem.code.toLowerCase().replaceAll('_', '-')}`,
    title: kind.title,
    status: kind.status,
    detail: problem.detail,
    code: problem.code,
    error: { type: 'retrysafe_error', code: problem.code, message: `${kind.title}: ${problem.detail}` },
  })
  const headers = [
    'Content-Type',
    'application/problem+json',
    'Content-Length',
    String(new TextEncoder().encode(body).byteLength),
    // A cache may keep a 404 or a 410 by itself (RFC 9110 §15.1), and knows nothing of tenants.
    'Cache-Control',
    'no-store',
  ]
  if (kind.shouldRetry !== undefined) headers.push('x-should-retry', String(kind.shouldRetry))
  if (problem.retryAfterMs !== undefined) {
    const waitMs = Math.max(0, Math.ceil(problem.retryAfterMs))
    headers.push('Retry-After', String(Math.ceil(waitMs / 1_000)), 'retry-after-ms', String(waitMs))
  }
  return { status: kind.status, title: kind.title, headers, body }
}
