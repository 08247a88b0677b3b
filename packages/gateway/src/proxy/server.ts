import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import { type Problem, problemAnswer } from 'retrysafe/internal/protocol/problem'
import { streamIdIn } from 'retrysafe/internal/server/resume'
import { CountedLine } from './counted-line.ts'
import { Exchanges } from './exchanges.ts'
import { travel } from './journey.ts'
import { Pairing } from './keyless/pairing.ts'
import type { ProxyParts } from './parts.ts'
import { refuseDraining, refuseError, refuseSlow } from './refusal.ts'
import { resume } from './resume.ts'
import { openRules } from './rules.ts'

const maxHeaderBytes = 65_536
/** Longer than the clients' and load balancers' own, so that they close idle connections, not we under their feet. */
const keepAliveMs = 75_000
/** A client that takes in nothing of its answer, or sends nothing of its body, for so long is taken to be gone. */
const stalledMs = 120_000
const headMs = 60_000
/** What a connection may still say after it has been refused. */
const lastWordsMs = 5_000

/** The proxy listener. `drain` refuses new requests from then on. */
export interface ProxyListener {
  readonly server: Server
  drain(): void
  /** No request is being answered, and nothing goes on without its client that has no lease yet. */
  readonly isIdle: boolean
  /** Resolves when it is idle. */
  idle(): Promise<void>
}

export function createProxy(
  parts: Omit<ProxyParts, 'rules' | 'isDraining' | 'exchanges' | 'reuses' | 'desertions' | 'refusedAsFull' | 'pairing'>,
): ProxyListener {
  let draining = false
  const exchanges = new Exchanges()
  /** Connections that end with the answer that is under way. */
  const ending = new WeakSet<Socket>()
  const { clock } = processSurroundings
  const proxyParts: ProxyParts = {
    ...parts,
    rules: openRules(parts.config),
    exchanges,
    reuses: new CountedLine(clock, count => parts.log(reusesLine(count))),
    refusedAsFull: new CountedLine(clock, (count, why) => parts.log(`${count} request(s) refused (503): ${why}`)),
    desertions: new CountedLine(clock, count => parts.log(desertionsLine(count))),
    pairing: new Pairing(processSurroundings, parts.log),
    isDraining: () => draining,
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    // Its answer would never get out, so it must not run either.
    if (ending.has(socket)) return void request.resume()
    if (isLastOnConnection(request)) {
      ending.add(socket)
      response.shouldKeepAlive = false
    }
    exchanges.begin(socket, response)
    const { method = '', url = '' } = request
    const isStream = url.startsWith('/_retrysafe/streams/')
    // Who only looks on has no streams: another Retrysafe behind this one may.
    const isOurs = url.startsWith('/_retrysafe/') && !(isStream && parts.config.observe)
    const streamId = isStream && isOurs ? streamIdIn(method, url.split('?', 1)[0] ?? '') : undefined
    if (isOurs && streamId === undefined) return serveHealth(request, response)
    const answering =
      streamId === undefined ? travel(proxyParts, request, response) : resume(proxyParts, request, response, streamId)
    answering.catch(error => {
      parts.log(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
      refuseError(response, error, undefined)
    })
  }

  function serveHealth(request: IncomingMessage, response: ServerResponse): void {
    const ready = request.url === '/_retrysafe/readyz'
    if (!ready && request.url !== '/_retrysafe/livez') {
      return sendProblem(response, {
        code: 'REQUEST_INVALID',
        detail: 'Here are only GET livez, readyz and streams/ID.',
      })
    }
    const reason = ready ? (draining ? 'draining' : parts.storeWatch.unreadyReason) : undefined
    const status = reason === undefined ? 200 : 503
    response.writeHead(status, { 'Content-Type': 'text/plain' }).end(`${reason ?? 'ok'}\n`)
  }

  const server = createServer(
    {
      maxHeaderSize: maxHeaderBytes,
      keepAliveTimeout: keepAliveMs,
      headersTimeout: headMs,
      // Not the whole request: a large body that is passed through may take its time, as long as it goes on.
      requestTimeout: 0,
      requireHostHeader: false,
    },
    serve,
  )
  server.maxHeadersCount = 0
  server.timeout = stalledMs
  // Not asked for its body before it is known that the body is wanted.
  server.on('checkContinue', serve)
  server.on('checkExpectation', serve)
  server.on('connect', (_, socket) => answerOnSocket(socket as Socket, tunnelRefusal))
  // With this listener Node closes no silent connection by itself: idle ones are ours to close. A busy one may be silent
  // for as long as the upstream is, but not while its own client takes nothing in.
  server.on('timeout', socket => {
    const upload = exchanges.silentUpload(socket)
    if (upload !== undefined) refuseSlow(upload, exchanges.uploading.get(upload))
    else if (!exchanges.isAnswering(socket) || socket.writableLength > 0) socket.destroy()
  })
  server.on('clientError', (error, socket) => {
    const connection = socket as Socket
    switch (exchanges.answerOn(connection)) {
      case 'none':
        return answerOnSocket(connection, badRequest(error))
      case 'whole':
        return endSoftly(connection)
      case 'to come':
      case 'in part':
        // Written in its place, or behind these bytes, a refusal would pass for the answer or for its end.
        return connection.resetAndDestroy()
    }
  })
  return {
    server,
    drain() {
      draining = true
      server.closeIdleConnections()
      for (const [response, notice] of exchanges.uploading) refuseDraining(response, notice)
    },
    get isIdle() {
      return exchanges.isIdle
    },
    idle: () => exchanges.idle(),
  }
}

function reusesLine(count: number): string {
  const advice = 'an agent loop that sends one key with every step wants --key-reuse fork'
  return `${count} request(s) refused (422) for a used key with another payload; ${advice}`
}

function desertionsLine(count: number): string {
  return `${count} run(s) stopped because nobody waited for them any more (--on-disconnect): billed and lost`
}

/**
 * Whether nobody can say for sure where the next request would begin: Node drops what came in one piece with a head that
 * offers an upgrade, and of HTTP/1.0 with chunks the framing counts as faulty (RFC 9112 §6.1).
 */
function isLastOnConnection({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.upgrade !== undefined || (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined)
}

/** For what never became a request: Node has only the socket. It comes again for every piece that follows. */
function answerOnSocket(socket: Socket, problem: Problem): void {
  if (!socket.writable && !socket.writableEnded) return void socket.destroy()
  const { status, title, headers, body } = problemAnswer(problem)
  const lines = [`HTTP/1.1 ${status} ${title}`, 'Connection: close']
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  endSoftly(socket, `${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** Closed on unread bytes, a connection would be reset, and what it was told last with it. */
function endSoftly(socket: Socket, text = ''): void {
  if (socket.writableEnded) return
  socket.end(text)
  socket.resume()
  const timer = processSurroundings.timers.after(lastWordsMs, () => socket.destroy())
  socket.once('close', () => timer.cancel())
}

const tunnelRefusal: Problem = {
  code: 'REQUEST_INVALID',
  detail: 'This is a gateway, no forward proxy: use it as the base URL instead of tunnelling with CONNECT.',
}

function badRequest(error: Error): Problem {
  const reason: unknown = Reflect.get(error, 'reason')
  switch (Reflect.get(error, 'code')) {
    case 'HPE_HEADER_OVERFLOW':
      return { code: 'HEADERS_TOO_LARGE', detail: `The head is over ${maxHeaderBytes} bytes.` }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { code: 'BODY_TIMEOUT', detail: 'The request did not come in time.' }
    case 'HPE_PAUSED_H2_UPGRADE':
      return {
        code: 'REQUEST_INVALID',
        detail: 'HTTP/2 is not served here, only HTTP/1.1; put a server with h2 in front.',
      }
    default: {
      // The parser's own words, which quote nothing of the request.
      const why = typeof reason === 'string' ? `: ${reason}` : ''
      return { code: 'REQUEST_INVALID', detail: `This is no well-formed HTTP/1.1 request${why}.` }
    }
  }
}
