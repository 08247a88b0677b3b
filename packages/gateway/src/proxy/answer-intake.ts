import type { IncomingHttpHeaders } from 'node:http'
import { ContentDecoder } from 'retrysafe/internal/server/content-decoder'
import type { Dispatcher } from 'undici'
import { readAnswerHead, type UpstreamHead } from './answer-head.ts'
import { failureOf, type UpstreamFailure, type UpstreamHandler } from './upstream.ts'

/** Who takes an answer in. */
export interface AnswerSink {
  /** @returns whether the body is to be decoded before it comes */
  head(head: UpstreamHead, reason?: string): 'decode' | 'as it is'
  /** @returns false when the upstream should wait for `resume` */
  data(bytes: Buffer): boolean
  /** Comes once: without a failure, the body ended as its framing says. */
  end(failure: UpstreamFailure | undefined): void
}

/** Takes one answer from the upstream to its sink: heads read, bodies decoded where asked, failures told apart. */
export class AnswerIntake implements UpstreamHandler {
  readonly #sink: AnswerSink
  readonly #keepsOurs: boolean
  #controller: Dispatcher.DispatchController | undefined
  #decoder: ContentDecoder | undefined
  #head: UpstreamHead | undefined
  #stopped = false
  #received = false
  #ended = false

  /** @param keepsOurs what is ours elsewhere goes on, too: another Retrysafe behind this one may have said it */
  constructor(sink: AnswerSink, { keepsOurs = false }: { keepsOurs?: boolean } = {}) {
    this.#sink = sink
    this.#keepsOurs = keepsOurs
  }

  /** Goes on after `data` has answered false. */
  resume(): void {
    if (this.#decoder === undefined) this.#controller?.resume()
    else this.#decoder.resume()
  }

  /** Ends the call; the sink is told as of a cut. */
  stop(): void {
    this.#stopped = true
    this.#decoder?.destroy()
    const error = new Error('the call was stopped')
    // What has come whole and is still being decoded cannot be aborted any more.
    if (this.#received) this.#end(failureOf(error, true))
    else this.#controller?.abort(error)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#stopped) controller.abort(new Error('the call was stopped'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    parsed: IncomingHttpHeaders,
    reason?: string,
  ): void {
    // 1xx: the real one is still to come (RFC 9110 §15.2).
    if (status < 200) return
    const head = readAnswerHead(status, controller.rawHeaders, parsed, this.#keepsOurs)
    if (head.unknownTransferCoding !== undefined) {
      return controller.abort(Object.assign(new Error(), { code: 'unknown Transfer-Encoding' }))
    }
    this.#head = head
    if (this.#sink.head(head, reason) === 'decode' && head.contentEncoding !== undefined) {
      this.#decoder = this.#openDecoder(head.contentEncoding, controller)
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const hasRoom = this.#decoder === undefined ? this.#sink.data(chunk) : this.#decoder.write(chunk)
    if (!hasRoom) controller.pause()
  }

  onResponseEnd(): void {
    this.#received = true
    if (this.#decoder === undefined) this.#end(undefined)
    else this.#decoder.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    // What a length says of a body that such an answer never has is allowed (RFC 9110 §8.6); undici misses the body.
    if (this.#head?.isBodiless && Reflect.get(error, 'code') === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
      return this.onResponseEnd()
    }
    this.#decoder?.destroy()
    this.#end(failureOf(error, this.#controller !== undefined))
  }

  #openDecoder(contentEncoding: string, controller: Dispatcher.DispatchController): ContentDecoder {
    const sink = {
      data: (bytes: Buffer) => this.#sink.data(bytes),
      end: (error: Error | undefined) => {
        this.#end(error === undefined ? undefined : failureOf(error, true))
        if (error !== undefined) this.stop()
      },
    }
    return new ContentDecoder(contentEncoding, sink, () => controller.resume())
  }

  #end(failure: UpstreamFailure | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#sink.end(failure)
  }
}
