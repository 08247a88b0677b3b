import type { IncomingMessage } from 'node:http'
import type { Problem } from 'retrysafe/internal/protocol/problem'
import type { RequestHead } from 'retrysafe/internal/server/request-head'

/** Node's own bound drops the lines above it without a word, a key among them; so there is none, and this instead. */
export const maxHeaderLines = 1_000

/** What the gateway cannot carry, refused before anything else is looked at; `undefined`: it may go on. */
export function refusalOf(request: IncomingMessage, head: RequestHead): Problem | undefined {
  const lines = request.rawHeaders.length / 2
  if (lines > maxHeaderLines) return { code: 'HEADERS_TOO_LARGE', detail: `${lines} header lines > ${maxHeaderLines}.` }
  const invalid = invalidityOf(request, head)
  if (invalid !== undefined) return { code: 'REQUEST_INVALID', detail: invalid }
  // RFC 9110 §10.1.1; a client of HTTP/1.0 cannot expect anything.
  const { expect } = head
  if (expect === undefined || expect.toLowerCase() === '100-continue' || request.httpVersion === '1.0') return undefined
  return {
    code: 'EXPECTATION_FAILED',
    detail: 'Only "Expect: 100-continue" is understood; send the request without it.',
  }
}

function invalidityOf(request: IncomingMessage, { host, transferEncoding, upgrade }: RequestHead): string | undefined {
  const { httpVersion } = request
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return `HTTP/${httpVersion} is not served, only HTTP/1.1.`
  // RFC 9112 §3.2. The host itself is not looked at: where a request goes, the configuration says.
  if (httpVersion === '1.1' && host === undefined) return 'The header Host is missing.'
  if (host?.includes(',')) return 'The header Host stands twice.'
  // RFC 9112 §6.1: whoever passed on a body with another coding on it would have to say so.
  if (transferEncoding !== undefined && transferEncoding.toLowerCase() !== 'chunked') {
    return 'Of transfer codings only "chunked" is understood; put others into Content-Encoding.'
  }
  if (upgrade === undefined || !/(?:^|,)\s*websocket\b/i.test(upgrade)) return undefined
  return 'A WebSocket cannot be retried safely and is not carried: connect to the upstream itself for it.'
}
