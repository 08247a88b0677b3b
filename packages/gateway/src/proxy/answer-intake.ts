import type { IncomingHttpHeaders } from 'node:http'
import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { type AnswerHead, readAnswerHead } from './answer-head.ts'
import { failureOf, type UpstreamFailure } from './upstream.ts'

/** Who takes an answer in. */
export interface AnswerSink {
  /** @returns whether the body is to be decoded before it comes */
  head(head: AnswerHead): 'decode' | 'as it is'
  /** @returns false when the upstream should wait for `resume` */
  data(bytes: Buffer): boolean
  /** Comes once: without a failure, the body ended as its framing says. */
  end(failure: UpstreamFailure | undefined): void
}

/** Takes one answer from the upstream to its sink: heads read, bodies decoded where asked, failures told apart. */
export class AnswerIntake implements Dispatcher.DispatchHandler {
  readonly #sink: AnswerSink
  #controller: Dispatcher.DispatchController | undefined
  #encoding: string | undefined
  #decoder: Transform | undefined
  #stopped = false
  #ended = false

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  /** Goes on after `data` has answered false. */
  resume(): void {
    if (this.#decoder === undefined) this.#controller?.resume()
    else this.#decoder.resume()
  }

  /** Ends the call; the sink is told as of a cut. */
  stop(): void {
    this.#stopped = true
    this.#controller?.abort(new Error('the call was stopped'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#stopped) controller.abort(new Error('the call was stopped'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, parsed: IncomingHttpHeaders): void {
    if (status < 200) return
    const head = readAnswerHead(status, controller.rawHeaders, parsed)
    if (this.#sink.head(head) === 'decode') this.#encoding = head.contentEncoding
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    // Opened at the first byte: an empty body is no broken encoding.
    if (this.#encoding !== undefined) this.#decoder ??= this.#openDecoder(this.#encoding)
    const decoder = this.#decoder
    if (decoder === undefined) {
      if (!this.#sink.data(chunk)) controller.pause()
    } else if (!decoder.write(chunk)) {
      controller.pause()
      decoder.once('drain', () => controller.resume())
    }
  }

  onResponseEnd(): void {
    if (this.#decoder === undefined) this.#end(undefined)
    else this.#decoder.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#decoder?.destroy()
    this.#end(failureOf(error, this.#controller !== undefined))
  }

  #openDecoder(encoding: string): Transform | undefined {
    const decoder = decoderOf(encoding)
    decoder?.on('data', (bytes: Buffer) => {
      if (!this.#sink.data(bytes)) decoder.pause()
    })
    decoder?.on('end', () => this.#end(undefined))
    decoder?.on('error', error => {
      this.#end(failureOf(error, true))
      this.stop()
    })
    return decoder
  }

  #end(failure: UpstreamFailure | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#sink.end(failure)
  }
}

/** Encodings that an upstream may use although it was asked for none. */
export function isDecodable(contentEncoding: string): boolean {
  return ['gzip', 'x-gzip', 'deflate', 'br'].includes(contentEncoding)
}

function decoderOf(contentEncoding: string): Transform | undefined {
  switch (contentEncoding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip()
    case 'deflate':
      return createInflate()
    case 'br':
      return createBrotliDecompress()
    default:
      return undefined
  }
}
