import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'

export type Callback = (error?: Error | null) => void
export type HeadersArgument = OutgoingHttpHeaders | OutgoingHttpHeader[]

/** As they were set; Node's types know them of requests only. */
export function rawNamesOf(response: ServerResponse): string[] {
  return (response as unknown as { getRawHeaderNames(): string[] }).getRawHeaderNames()
}

export function setAll(response: ServerResponse, headers: HeadersArgument | undefined): void {
  if (headers === undefined) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value)
    return
  }
  const flat = headers.flat() as string[]
  for (const name of flat.filter((_, at) => at % 2 === 0)) response.removeHeader(name)
  for (let at = 0; at + 1 < flat.length; at += 2) response.appendHeader(String(flat[at]), String(flat[at + 1]))
}

/** What may follow a chunk: an encoding, a callback, both or none. */
export function optionsOf(rest: readonly unknown[]): [BufferEncoding | undefined, Callback | undefined] {
  const encoding = rest.find(each => typeof each === 'string') as BufferEncoding | undefined
  return [encoding, rest.find(each => typeof each === 'function') as Callback | undefined]
}

/** A copy: a handler may use its buffer again. */
export function bytesOf(chunk: unknown, encoding: BufferEncoding | undefined): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding)
  if (chunk instanceof Uint8Array) return Buffer.from(chunk)
  const error = new TypeError(`a response takes strings and Uint8Arrays, not ${chunk === null ? 'null' : typeof chunk}`)
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' })
}

/**
 * As Node does where it writes the head: here that is when the outcome may be recorded already.
 *
 * @throws {RangeError} and the handler may still answer something else
 */
export function readStatus(given: unknown): number {
  const status = Number(given) | 0
  if (status >= 100 && status <= 999) return status
  throw Object.assign(new RangeError(`Invalid status code: ${given}`), { code: 'ERR_HTTP_INVALID_STATUS_CODE' })
}

/** The same. */
export function checkStatusMessage(given: unknown): void {
  // RFC 9110 §5.5
  if (given === undefined || /^[\t\x20-\x7e\x80-\xff]*$/.test(String(given))) return
  throw Object.assign(new TypeError('Invalid character in statusMessage'), { code: 'ERR_INVALID_CHAR' })
}

export function headersSent(): Error {
  return Object.assign(new Error('Cannot set headers after they are sent to the client'), {
    code: 'ERR_HTTP_HEADERS_SENT',
  })
}
