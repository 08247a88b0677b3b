/** What an endpoint says, before any fault touches it: a whole body, or the frames of a stream in order. */
export type Answer =
  | {
      readonly kind: 'plain'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: Buffer
    }
  | {
      readonly kind: 'stream'
      readonly headers: Readonly<Record<string, string>>
      /** Drawn lazily, one write each: a long stream is never held in memory as a whole. */
      readonly frames: Iterable<string>
    }

/** A plain answer whose body is `value` as JSON. Member order is the order of the wire. */
export function jsonAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    kind: 'plain',
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  }
}

/** A plain answer of UTF-8 text. */
export function textAnswer(status: number, text: string): Answer {
  return { kind: 'plain', status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from(text) }
}

/** The members of OpenAI's error object, plus the status it travels under. */
export interface ErrorTerms {
  readonly status: number
  readonly message: string
  /** The request member at fault, where there is one. */
  readonly param?: string
  readonly code?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Members beside `error`, such as a list of what there is. */
  readonly beside?: Readonly<Record<string, unknown>>
}

/** An error in OpenAI's format. Every endpoint uses it, so that any SDK pointed here shows the message. */
export function errorAnswer(terms: ErrorTerms): Answer {
  const { status, message, param = null, code = null, headers = {}, beside = {} } = terms
  return jsonAnswer(status, { error: { message, type: errorType(status), param, code }, ...beside }, headers)
}

function errorType(status: number): string {
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}
