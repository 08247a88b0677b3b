import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type ProblemCode, problemAnswer } from 'retrysafe/internal/protocol/problem'
import { sendProblem } from './caller-response.ts'
import { type ProxyParts, travel } from './journey.ts'
import { refuseError } from './refusal.ts'

const maxHeaderBytes = 65_536
/** Longer than the clients' and load balancers' own, so that they close idle connections, not we under their feet. */
const keepAliveMs = 75_000

/** The proxy listener. `drain` refuses new requests from then on. */
export interface ProxyListener {
  readonly server: Server
  drain(): void
  /** Resolves when no request is being answered. */
  idle(): Promise<void>
}

export function createProxy(parts: Omit<ProxyParts, 'isDraining'>): ProxyListener {
  let draining = false
  let answering = 0
  const isDraining = (): boolean => draining
  const withDrain: ProxyParts = { ...parts, isDraining }
  let idlers: (() => void)[] = []

  function answered(): void {
    answering--
    if (answering > 0) return
    for (const resolve of idlers) resolve()
    idlers = []
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    answering++
    response.on('close', answered)
    if (request.url?.startsWith('/_retrysafe/')) return serveHealth(request, response)
    travel(withDrain, request, response).catch(error => {
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
  server.on('clientError', (error, socket) => answerBadRequest(error, socket as Socket))
  return {
    server,
    drain() {
      draining = true
      server.closeIdleConnections()
    },
    idle: () => (answering === 0 ? Promise.resolve() : new Promise(resolve => idlers.push(resolve))),
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
