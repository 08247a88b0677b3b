import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { readBody, streamBody } from 'retrysafe/internal/adapters/node/incoming'
import { Relay } from 'retrysafe/internal/adapters/node/relay'
import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import type { Timer } from 'retrysafe/internal/engine/clock'
import type { Grace } from 'retrysafe/internal/engine/policy'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import type { KeyNotice } from 'retrysafe/internal/server/caller'
import type { RequestHead } from 'retrysafe/internal/server/request-head'
import type { UpstreamHead } from './answer-head.ts'
import { AnswerIntake, type AnswerSink } from './answer-intake.ts'
import { problemOfFailure, refuseSlow } from './refusal.ts'
import type { Upstream, UpstreamFailure, UpstreamRequest } from './upstream.ts'

/** A body up to this length goes in one write; a longer one, or one of unknown length, is streamed. */
const wholeBytes = 65_536

export interface PassedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHead
  /** Path and query, as the upstream takes them. */
  readonly target: string
  /** Set when the request carries a key that does not count here. */
  readonly notice: KeyNotice | undefined
  /** When it has been taken in already. */
  readonly body?: Buffer | undefined
  /** How long it goes on when its client has left. Default 0: it is stopped at once. */
  readonly grace?: Grace
  /** Sees all of it go by. Then nothing is taken away that is ours elsewhere. */
  readonly tap?: PassTap
}

/** Sees a request go by that is handed through, each piece after it was handed on, and changes nothing. */
export interface PassTap {
  sent(bytes: Buffer): void
  /** The request is whole. */
  sentAll(): void
  head(head: UpstreamHead): void
  data(bytes: Buffer): void
  end(failure: UpstreamFailure | undefined): void
}

/** Hands a request through as if we were not there: nothing is stored. */
export async function pass(upstream: Upstream, passed: PassedRequest): Promise<void> {
  const { request, head, target } = passed
  const body = await bodyOf(passed)
  if (body === 'gone') return
  const headers = [...head.forward]
  if (head.acceptEncoding !== undefined) headers.push('Accept-Encoding', head.acceptEncoding)
  if (body instanceof PassThrough && head.contentLength !== undefined) {
    headers.push('Content-Length', String(head.contentLength))
  }
  return new Promise(resolve => {
    const { intake } = new PassSink(passed, resolve)
    upstream.send({ method: request.method ?? 'GET', target, headers, body }, intake)
    if (passed.tap !== undefined && !(body instanceof PassThrough)) watchWhole(passed.tap, body)
  })
}

function watchWhole(tap: PassTap, body: UpstreamRequest['body']): void {
  if (Buffer.isBuffer(body)) tap.sent(body)
  setImmediate(() => tap.sentAll())
}

/** In the same turn in which it is made to flow: before the next one a first piece of it has gone by. */
function watchStream(tap: PassTap, request: IncomingMessage): void {
  request.on('data', (bytes: Buffer) => tap.sent(bytes))
  request.once('end', () => tap.sentAll())
}

/** `gone`: the client has left, or has been refused. */
async function bodyOf(passed: PassedRequest): Promise<UpstreamRequest['body'] | 'gone'> {
  const { request, response, head, notice, tap } = passed
  const { contentLength, transferEncoding } = head
  const { timers } = processSurroundings
  if (contentLength === undefined && transferEncoding === undefined) return null
  if (contentLength === 0) return request.method === 'GET' || request.method === 'HEAD' ? null : ''
  if (passed.body !== undefined) return passed.body
  if (contentLength === undefined || contentLength > wholeBytes) {
    const stream = streamBody(request, response, timers)
    if (tap !== undefined) watchStream(tap, request)
    return stream
  }
  const reading = await readBody(request, response, contentLength, wholeBytes, timers)
  if (reading.kind === 'too slow') refuseSlow(response, notice)
  return reading.kind === 'body' ? reading.bytes : 'gone'
}

class PassSink implements AnswerSink {
  readonly intake: AnswerIntake
  readonly #passed: PassedRequest
  readonly #done: () => void
  #relay: Relay | undefined
  #patience: Timer | undefined
  #isOver = false

  constructor(passed: PassedRequest, done: () => void) {
    this.#passed = passed
    this.#done = done
    this.intake = new AnswerIntake(this, { keepsOurs: passed.tap !== undefined })
    passed.response.once('close', () => {
      if (!passed.response.writableFinished) this.#clientLeft()
    })
  }

  #clientLeft(): void {
    const { grace = 0 } = this.#passed
    if (this.#isOver || grace === 'finish') return
    if (grace === 0) this.intake.stop()
    else this.#patience = processSurroundings.timers.after(grace, () => this.intake.stop())
  }

  head(head: UpstreamHead, reason = ''): 'as it is' {
    const { response, notice, request, tap } = this.#passed
    // Elsewhere it is Node's own word for the status; who only looks on changes none.
    if (tap !== undefined && /^[\t -~\x80-\xff]+$/.test(reason)) response.statusMessage = reason
    const framed = request.method === 'HEAD' ? { ...head, endsByClose: false } : head
    this.#relay = new Relay(response, framed, notice, () => this.intake.resume())
    tap?.head(head)
    return 'as it is'
  }

  data(bytes: Buffer): boolean {
    const hasRoom = this.#relay?.write(bytes) ?? true
    this.#passed.tap?.data(bytes)
    return hasRoom
  }

  end(failure: UpstreamFailure | undefined): void {
    const { response, notice } = this.#passed
    this.#isOver = true
    this.#patience?.cancel()
    if (failure === undefined) this.#relay?.end()
    else if (this.#relay !== undefined) this.#relay.cut()
    else sendProblem(response, problemOfFailure(failure, 'rerun'), notice)
    this.#passed.tap?.end(failure)
    this.#done()
  }
}
