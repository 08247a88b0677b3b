import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough, pipeline } from 'node:stream'
import type { Dispatcher } from 'undici'
import { readAnswerHead } from './answer-head.ts'
import { type KeyNotice, sendProblem } from './caller-response.ts'
import { readBody } from './incoming.ts'
import { Relay } from './relay.ts'
import type { RequestHead } from './request-head.ts'
import { failureOf, type Upstream, type UpstreamRequest } from './upstream.ts'

/** A body up to this length goes in one write; a longer one, or one of unknown length, is streamed. */
const wholeBytes = 65_536

export interface PassedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHead
  /** Set when the request carries a key that does not count here. */
  readonly notice: KeyNotice | undefined
}

/** Hands a request through as if we were not there: nothing is stored, and a client that leaves cancels it. */
export async function pass(upstream: Upstream, passed: PassedRequest): Promise<void> {
  const { request, head } = passed
  const body = await bodyOf(request, head)
  if (body === 'left') return
  const headers = [...head.forward]
  if (body instanceof PassThrough && head.contentLength !== undefined) {
    headers.push('Content-Length', String(head.contentLength))
  }
  return new Promise(resolve => {
    const handler = new PassHandler(passed, resolve)
    upstream.send({ method: request.method ?? 'GET', target: request.url ?? '/', headers, body }, handler)
  })
}

async function bodyOf(request: IncomingMessage, head: RequestHead): Promise<UpstreamRequest['body'] | 'left'> {
  const { contentLength } = head
  if (contentLength === undefined && request.headers['transfer-encoding'] === undefined) return null
  if (contentLength === 0) return request.method === 'GET' || request.method === 'HEAD' ? null : ''
  if (contentLength === undefined || contentLength > wholeBytes) {
    // Through a stream of its own: a failing upstream destroys the stream it reads, and the client waits for our 502.
    const stream = new PassThrough()
    pipeline(request, stream, () => {})
    return stream
  }
  const reading = await readBody(request, contentLength, wholeBytes)
  return reading.kind === 'body' ? reading.bytes : 'left'
}

class PassHandler implements Dispatcher.DispatchHandler {
  readonly #passed: PassedRequest
  readonly #done: () => void
  #controller: Dispatcher.DispatchController | undefined
  #relay: Relay | undefined

  constructor(passed: PassedRequest, done: () => void) {
    this.#passed = passed
    this.#done = done
    passed.response.once('close', () => {
      if (!passed.response.writableFinished) this.#controller?.abort(new Error('the client has left'))
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#passed.response.destroyed) controller.abort(new Error('the client has left'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, parsed: IncomingHttpHeaders): void {
    if (status < 200) return
    const { response, notice, request } = this.#passed
    const head = readAnswerHead(status, controller.rawHeaders, parsed)
    const framed = request.method === 'HEAD' ? { ...head, endsByClose: false } : head
    this.#relay = new Relay(response, framed, notice, () => controller.resume())
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#relay?.write(chunk) === false) controller.pause()
  }

  onResponseEnd(): void {
    this.#relay?.end()
    this.#done()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#relay !== undefined) this.#relay.cut()
    else this.#refuse(error)
    this.#done()
  }

  #refuse(error: Error): void {
    const failure = failureOf(error, this.#controller !== undefined)
    const { response, notice } = this.#passed
    if (failure.kind === 'silent') {
      sendProblem(
        response,
        { code: 'UPSTREAM_TIMEOUT', detail: 'The upstream stayed silent (--upstream-timeout).' },
        notice,
      )
    } else {
      const detail =
        failure.kind === 'cut'
          ? `The upstream cut the connection before it answered (${failure.reason}).`
          : `No connection to the upstream (${failure.reason}); nothing was sent.`
      sendProblem(response, { code: 'UPSTREAM_UNREACHABLE', detail }, notice)
    }
  }
}
