import { jsonAnswer, type PlainAnswer } from './answer.ts'

/** What went wrong, in no provider's words. */
export interface ErrorTerms {
  readonly status: number
  readonly message: string
  /** The request member at fault, where there is one. */
  readonly param?: string
  readonly code?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Members beside the provider's own, such as a list of what there is. */
  readonly beside?: Readonly<Record<string, unknown>>
}

/** How a provider words its errors. The SDK pointed at its endpoint then shows the message. */
export interface ErrorFormat {
  /** The JSON body; also what the provider puts into a stream that fails. */
  body(terms: ErrorTerms): object
  readonly headers?: Readonly<Record<string, string>>
}

/** @see https://platform.openai.com/docs/guides/error-codes */
export const openaiErrors: ErrorFormat = {
  body: ({ status, message, param, code }) => ({
    error: { message, type: openaiErrorType(status), param: param ?? null, code: code ?? null },
  }),
}

/** @see https://docs.anthropic.com/en/api/errors */
export const anthropicErrors: ErrorFormat = {
  headers: { 'request-id': 'req_sandbox_error' },
  body: ({ status, message }) => ({
    type: 'error',
    error: { type: anthropicErrorType(status), message },
    request_id: 'req_sandbox_error',
  }),
}

/** @see https://cloud.google.com/apis/design/errors */
export const geminiErrors: ErrorFormat = {
  headers: { 'content-type': 'application/json; charset=UTF-8' },
  body: ({ status, message }) => ({ error: { code: status, message, status: googleStatus(status) } }),
}

/** @see https://github.com/ollama/ollama/blob/main/docs/api.md */
export const ollamaErrors: ErrorFormat = {
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: ({ message }) => ({ error: message }),
}

/** A whole answer that is an error in `format`. */
export function errorAnswer(terms: ErrorTerms, format: ErrorFormat = openaiErrors): PlainAnswer {
  const body = { ...format.body(terms), ...terms.beside }
  return jsonAnswer(terms.status, body, { ...format.headers, ...terms.headers })
}

/** The failure that `error-event-after=index` puts into an answer. */
export function failureAt(index: number): ErrorTerms {
  return { status: 500, message: `Sandbox-Fault: error-event-after=${index}` }
}

function openaiErrorType(status: number): string {
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

const ANTHROPIC_TYPES = new Map([
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
])

function anthropicErrorType(status: number): string {
  return ANTHROPIC_TYPES.get(status) ?? (status >= 500 ? 'api_error' : 'invalid_request_error')
}

/** The HTTP mapping of google.rpc.Code. */
const GOOGLE_STATUSES = new Map([
  [400, 'INVALID_ARGUMENT'],
  [401, 'UNAUTHENTICATED'],
  [403, 'PERMISSION_DENIED'],
  [404, 'NOT_FOUND'],
  [409, 'ABORTED'],
  [422, 'INVALID_ARGUMENT'],
  [429, 'RESOURCE_EXHAUSTED'],
  [499, 'CANCELLED'],
  [500, 'INTERNAL'],
  [501, 'UNIMPLEMENTED'],
  [503, 'UNAVAILABLE'],
  [504, 'DEADLINE_EXCEEDED'],
])

function googleStatus(status: number): string {
  return GOOGLE_STATUSES.get(status) ?? 'UNKNOWN'
}
