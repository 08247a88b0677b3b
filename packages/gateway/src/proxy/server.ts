import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type ProblemCode, problemAnswer } from 'retrysafe/internal/protocol/problem'
import { sendProblem } from './caller-response.ts'
import { Exchanges } from './exchanges.ts'
import { type ProxyParts, travel } from './journey.ts'
import { refuseDraining, refuseError } from './refusal.ts'

const maxHeaderBytes = 65_536
/** Longer than the clients' and load balancers' own, so that they close idle connections, not we under their feet. */
const keepAliveMs = 75_000
/** A client that takes in nothing of its answer for so long is taken to be gone. */
const stalledMs = 120_000

/** The proxy listener. `drain` refuses new requests from then on. */
export interface ProxyListener {
  readonly server: Server
  drain(): void
  /** Resolves when no request is being answered. */
  idle(): Promise<void>
}

export function createProxy(parts: Omit<ProxyParts, 'isDraining' | 'exchanges'>): ProxyListener {
  let draining = false
  const exchanges = new Exchanges()
  const proxyParts: ProxyParts = { ...parts, exchanges, isDraining: () => draining }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    exchanges.begin(request.socket, response)
    if (request.url?.startsWith('/_retrysafe/')) return serveHealth(request, response)
    travel(proxyParts, request, response).catch(error => {
      parts.log(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
      refuseError(response, error, undefined)
    })
  }

  function serveHealth(request: IncomingMessage, response: ServerResponse): void {
    const ready = request.url === '/_retrysafe/readyz'
    if (!ready && request.url !== '/_retrysafe/livez') {
      return sendProblem(response, { code: 'REQUEST_INVALID', detail: 'Here are only livez and readyz.' })
    }
    const status = ready && draining ? 503 : 200
    response.writeHead(status, { 'Content-Type': 'text/plain' }).end(status === 200 ? 'ok\n' : 'draining\n')
  }

  const server = createServer({ maxHeaderSize: maxHeaderBytes, keepAliveTimeout: keepAliveMs }, serve)
  server.timeout = stalledMs
  // With this listener Node closes no silent connection by itself: idle ones are ours to close. A busy one may be silent
  // for as long as the upstream is, but not while its own client takes nothing in.
  server.on('timeout', socket => {
    if (!exchanges.isAnswering(socket) || socket.writableLength > 0) socket.destroy()
  })
  server.on('clientError', (error, socket) => {
    const connection = socket as Socket
    // Written behind the bytes of another answer, a refusal would pass for its end.
    if (exchanges.isMidAnswer(connection)) connection.resetAndDestroy()
    else answerBadRequest(error, connection)
  })
  return {
    server,
    drain() {
      draining = true
      server.closeIdleConnections()
      for (const response of exchanges.uploading) refuseDraining(response, undefined)
    },
    idle: () => exchanges.idle(),
  }
}

/** What never became a request: Node has only the socket. */
function answerBadRequest(error: Error, socket: Socket): void {
  if (!socket.writable) return void socket.destroy()
  const problem = badRequest(Reflect.get(error, 'code'))
  const { status, headers, body } = problemAnswer(problem)
  const lines = [`HTTP/1.1 ${status} ${problem.code}`, 'Connection: close']
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

function badRequest(code: unknown): { code: ProblemCode; detail: string } {
  if (code === 'HPE_HEADER_OVERFLOW')
    return { code: 'HEADERS_TOO_LARGE', detail: `The head is over ${maxHeaderBytes} bytes.` }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { code: 'BODY_TIMEOUT', detail: 'The request did not come in time.' }
  return { code: 'REQUEST_INVALID', detail: 'This is no well-formed HTTP/1.1 request.' }
}
