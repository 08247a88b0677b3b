import { describe, expect, it } from 'vitest'
import { isProblemCode, type ProblemCode, problemAnswer, problemKinds } from '../../src/protocol/problem.ts'

/** Code, status and x-should-retry as the interface page has them. */
const table: [ProblemCode, number, string | undefined][] = [
  ['KEY_INVALID', 400, 'false'],
  ['KEY_MISSING', 400, 'false'],
  ['TENANT_MISSING', 401, 'false'],
  ['KEY_REUSED', 422, 'false'],
  ['IN_FLIGHT', 409, 'true'],
  ['KEY_EXPIRED', 412, 'false'],
  ['OUTCOME_UNKNOWN', 424, 'false'],
  ['RESULT_NOT_KEPT', 424, 'false'],
  ['BODY_TOO_LARGE', 413, 'false'],
  ['HEADERS_TOO_LARGE', 431, 'false'],
  ['BODY_TIMEOUT', 408, 'true'],
  ['QUOTA_EXCEEDED', 429, 'true'],
  ['STORE_UNAVAILABLE', 503, 'true'],
  ['STORE_FULL', 503, 'false'],
  ['DRAINING', 503, 'true'],
  ['UPSTREAM_UNKNOWN', 404, 'false'],
  ['UPSTREAM_UNREACHABLE', 502, 'true'],
  ['UPSTREAM_TIMEOUT', 504, 'true'],
  ['STREAM_UNKNOWN', 404, undefined],
  ['STREAM_SUPERSEDED', 410, undefined],
  ['OFFSET_INVALID', 416, undefined],
]

function headersOf(answer: { headers: readonly string[] }): Map<string, string> {
  const headers = new Map<string, string>()
  for (let at = 0; at < answer.headers.length; at += 2) {
    headers.set((answer.headers[at] ?? '').toLowerCase(), answer.headers[at + 1] ?? '')
  }
  return headers
}

describe('problemAnswer', () => {
  it.each(table)('%s is %i, x-should-retry %s', (code, status, shouldRetry) => {
    const answer = problemAnswer({ code, detail: 'What happened: “this”.' })
    expect(answer.status).toBe(status)
    const headers = headersOf(answer)
    expect(headers.get('x-should-retry')).toBe(shouldRetry)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(headers.get('content-length')).toBe(String(Buffer.byteLength(answer.body)))
    expect(headers.has('retry-after')).toBe(false)
    expect(headers.get('cache-control')).toBe('no-store')
    const body: Record<string, unknown> = JSON.parse(answer.body)
    expect(Object.keys(body).sort()).toEqual(['code', 'detail', 'error', 'status', 'title', 'type'])
    expect(body).toMatchObject({ status, code, detail: 'What happened: “this”.' })
    expect(URL.canParse(String(body['type']))).toBe(true)
    expect(body['error']).toMatchObject({ code, message: expect.stringContaining('What happened: “this”.') })
    expect(body['error']).toMatchObject({ type: expect.any(String) })
  })

  it('knows every code of the table, and six more', () => {
    const extra = Object.keys(problemKinds).filter(code => !table.some(([known]) => known === code))
    // Of the request as such, of the gateway itself, and of middleware's handlers and functions.
    const ofMiddleware = ['HANDLER_FAILED', 'HANDLER_TIMEOUT', 'CALLBACK_FAILED']
    expect(extra).toEqual(['REQUEST_INVALID', 'EXPECTATION_FAILED', 'OVERLOADED', ...ofMiddleware])
  })

  it.each([
    ['KEY_MISSING', 'Idempotency-Key is missing'],
    ['KEY_REUSED', 'Idempotency-Key is already used'],
    ['IN_FLIGHT', 'A request is outstanding for this Idempotency-Key'],
  ] as const)("gives %s the draft's title", (code, title) => {
    expect(JSON.parse(problemAnswer({ code, detail: '' }).body)).toMatchObject({ title })
  })

  it.each([
    [0, '0', '0'],
    [1, '1', '1'],
    [999, '1', '999'],
    [1_000, '1', '1000'],
    [1_001, '2', '1001'],
    [250.4, '1', '251'],
    [-5, '0', '0'],
  ])('tells when to come again: %d ms', (retryAfterMs, seconds, ms) => {
    const headers = headersOf(problemAnswer({ code: 'IN_FLIGHT', detail: '', retryAfterMs }))
    expect(headers.get('retry-after')).toBe(seconds)
    expect(headers.get('retry-after-ms')).toBe(ms)
  })

  it('knows its codes', () => {
    expect(isProblemCode('IN_FLIGHT')).toBe(true)
    expect(isProblemCode('in_flight')).toBe(false)
    expect(isProblemCode('toString')).toBe(false)
    expect(isProblemCode('__proto__')).toBe(false)
  })
})
