import { APIConnectionError, APIConnectionTimeoutError, APIError, RateLimitError } from 'openai'
import { describe, expect, test } from 'vitest'
import { BatchRefusal } from '../../src/batch/file/batch-line.ts'
import { judgeThrown, type TryVerdict } from '../../src/batch/try-verdict.ts'
import { processSurroundings } from '../../src/engine/surroundings.ts'
import { RetrysafeError } from '../../src/index.ts'
import { problemAnswer } from '../../src/protocol/problem.ts'
import { AnswerError, networkError } from './batch-stage.ts'

const verdictOf = (error: unknown): TryVerdict => judgeThrown(error, processSurroundings)
const free: TryVerdict = { kind: 'final', end: 'free' }
const ambiguous: TryVerdict = { kind: 'ambiguous', mayRetry: true }

describe('an answer', () => {
  test.each<[number, Record<string, string>, TryVerdict]>([
    [400, {}, free],
    [401, {}, free],
    [422, {}, free],
    // A gateway says that nobody knows: it would say so again.
    [424, {}, free],
    [403, { 'x-should-retry': 'true' }, free],
    [409, { 'x-should-retry': 'false' }, { kind: 'final', end: 'failed' }],
    [429, { 'x-should-retry': 'false' }, { kind: 'final', end: 'failed' }],
    [500, { 'x-should-retry': 'false' }, { kind: 'final', end: 'failed' }],
    [302, {}, { kind: 'final', end: 'failed' }],
    [429, {}, { kind: 'throttled', retryAfterMs: undefined }],
    [429, { 'retry-after': '7' }, { kind: 'throttled', retryAfterMs: 7_000 }],
    [529, { 'retry-after-ms': '250' }, { kind: 'throttled', retryAfterMs: 250 }],
    [503, { 'retry-after': '2' }, { kind: 'throttled', retryAfterMs: 2_000 }],
    [503, {}, { kind: 'failing', retryAfterMs: undefined, isAlive: false }],
    [500, { 'retry-after': '3' }, { kind: 'failing', retryAfterMs: 3_000, isAlive: false }],
    [408, {}, { kind: 'failing', retryAfterMs: undefined, isAlive: true }],
    [409, {}, { kind: 'failing', retryAfterMs: undefined, isAlive: true }],
    [425, {}, { kind: 'failing', retryAfterMs: undefined, isAlive: true }],
    [502, {}, ambiguous],
    [504, {}, ambiguous],
    [520, {}, ambiguous],
    [524, { 'x-should-retry': 'false' }, { kind: 'ambiguous', mayRetry: false }],
    [502, { 'x-should-retry': 'true' }, { kind: 'failing', retryAfterMs: undefined, isAlive: false }],
    // Paid for, and its answer could not be read.
    [200, {}, { kind: 'fault' }],
  ])('%i with %j', (status, headers, verdict) => {
    expect(verdictOf(new AnswerError(status, headers))).toEqual(verdict)
  })

  test('is found however an SDK gives it', () => {
    const headers = new Headers({ 'retry-after': '4' })
    expect(verdictOf(new RateLimitError(429, {}, 'slow', headers))).toEqual({ kind: 'throttled', retryAfterMs: 4_000 })
    const vercel = Object.assign(new Error('slow'), { statusCode: 429, responseHeaders: { 'Retry-After': '4' } })
    expect(verdictOf(vercel)).toEqual({ kind: 'throttled', retryAfterMs: 4_000 })
    expect(verdictOf({ status: 400 })).toEqual(free)
    const refusal = { requestId: undefined, body: '{"error":{}}', headers: {} }
    expect(verdictOf(new BatchRefusal({ status: 400, ...refusal }))).toEqual(free)
    // It says itself, within a success, that it failed.
    const inside = { kind: 'failing', retryAfterMs: undefined, isAlive: true }
    expect(verdictOf(new BatchRefusal({ status: 200, ...refusal }))).toEqual(inside)
  })

  test('of a gateway that found nobody behind it is no fault of the item', () => {
    const { headers, body } = problemAnswer({ code: 'UPSTREAM_UNREACHABLE', detail: 'No connection.' })
    const given = new Headers(
      headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1] ?? '']] : [])) as [string, string][],
    )
    const byRefusal = new BatchRefusal({ status: 502, headers: {}, requestId: undefined, body })
    const byOpenai = APIError.generate(502, JSON.parse(body), undefined, given)
    const byVercel = Object.assign(new Error('bad'), { statusCode: 502, responseBody: body })
    for (const error of [byRefusal, byOpenai, byVercel]) expect(verdictOf(error)).toEqual({ kind: 'deserted' })
    const silent = problemAnswer({ code: 'UPSTREAM_TIMEOUT', detail: 'Silent.' })
    const late = new BatchRefusal({
      status: 504,
      headers: { 'x-should-retry': 'true' },
      requestId: undefined,
      body: silent.body,
    })
    expect(verdictOf(late)).toEqual({ kind: 'failing', retryAfterMs: undefined, isAlive: false })
  })

  test('of a call of ours within send says what it would over the wire', () => {
    const inFlight = new RetrysafeError('IN_FLIGHT', 'still going', { retryAfterMs: 900 })
    expect(verdictOf(inFlight)).toEqual({ kind: 'at work', retryAfterMs: 900 })
    const { body } = problemAnswer({ code: 'IN_FLIGHT', detail: 'Still going.' })
    const byGateway = new BatchRefusal({ status: 409, headers: { 'retry-after': '1' }, requestId: undefined, body })
    expect(verdictOf(byGateway)).toEqual({ kind: 'at work', retryAfterMs: 1_000 })
    expect(verdictOf(new RetrysafeError('KEY_REUSED', 'another'))).toEqual(free)
    expect(verdictOf(new RetrysafeError('LEASE_LOST', 'gone'))).toEqual({ kind: 'fault' })
  })
})

describe('no answer', () => {
  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT', 'EHOSTUNREACH'])(
    '%s: nobody was there to take it',
    code => {
      expect(verdictOf(networkError(code))).toEqual({ kind: 'unreachable' })
      expect(verdictOf(Object.assign(new Error(code), { code }))).toEqual({ kind: 'unreachable' })
      expect(verdictOf(new APIConnectionError({ cause: networkError(code) }))).toEqual({ kind: 'unreachable' })
    },
  )

  test.each(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'HPE_INVALID_CONSTANT'])(
    '%s: it may have run',
    code => {
      expect(verdictOf(networkError(code))).toEqual(ambiguous)
      expect(verdictOf(Object.assign(new Error(code), { code }))).toEqual(ambiguous)
    },
  )

  test('as the SDKs and the platform say it', () => {
    expect(verdictOf(new APIConnectionTimeoutError())).toEqual(ambiguous)
    expect(verdictOf(AbortSignal.timeout(0).reason ?? new DOMException('late', 'TimeoutError'))).toEqual(ambiguous)
    expect(verdictOf(AbortSignal.abort().reason)).toEqual(ambiguous)
    expect(verdictOf(new TypeError('terminated'))).toEqual(ambiguous)
    expect(verdictOf(Object.assign(new Error('cut'), { code: 'ANSWER_INCOMPLETE' }))).toEqual(ambiguous)
    // undici's, of an answer that is no HTTP, and without a code.
    expect(verdictOf(Object.assign(new Error('Expected HTTP/'), { name: 'HTTPParserError' }))).toEqual(ambiguous)
    expect(verdictOf(Object.assign(new Error('never begun'), { notSent: true }))).toEqual({ kind: 'unreachable' })
  })

  test('that would be the same at every try', () => {
    expect(verdictOf(networkError('CERT_HAS_EXPIRED'))).toEqual(free)
    expect(verdictOf(new TypeError('fetch failed', { cause: new Error('bad port') }))).toEqual(free)
  })
})

test.each<[string, unknown]>([
  ['a mistake in send', new TypeError("Cannot read properties of undefined (reading 'choices')")],
  ['a file that is not there', Object.assign(new Error('no such file'), { code: 'ENOENT' })],
  ['a text', 'no'],
  ['nothing', undefined],
  ['an answer too long to keep', Object.assign(new Error('64 MiB'), { code: 'ANSWER_TOO_LONG' })],
  ['a status that is none', { status: 'active' }],
  ['what throws when it is looked at only once', Object.create(null)],
])('%s is our own fault', (_, error) => {
  expect(verdictOf(error)).toEqual({ kind: 'fault' })
})
