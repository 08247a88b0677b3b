import type { Timer, Timers } from '../engine/clock.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { outcomeUnknown } from '../engine/refusal.ts'
import { ContentDecoder, isDecodable } from './content-decoder.ts'
import type { Failure } from './failure.ts'
import { type HandlerHead, withoutEncoding } from './handler-head.ts'
import type { Run } from './run.ts'

export interface HandlerAnswerTerms {
  readonly run: Run
  readonly timers: Timers
  /** A handler that says nothing for so long is given up. */
  readonly silenceMs: number
  /** Fires what the handler was given to stop by. */
  readonly stop: AbortController
  /** Whoever writes may go on. */
  readonly onRoom: () => void
}

/**
 * A handler's answer on its way to the run: decoded where it comes encoded, and watched for silence. Whatever a handler
 * says after its end, or after it was given up, changes nothing.
 */
export class HandlerAnswer {
  readonly #terms: HandlerAnswerTerms
  #decoder: ContentDecoder | undefined
  #silence: Timer | undefined
  #hasHead = false
  /** Bytes that a length has announced and that are still to come. */
  #leftBytes = Number.POSITIVE_INFINITY
  #isBodiless = false
  #isOver = false

  constructor(terms: HandlerAnswerTerms) {
    this.#terms = terms
    const { run, stop } = terms
    run.reads({
      resume: () => (this.#decoder === undefined ? terms.onRoom() : this.#decoder.resume()),
      stop: () => {
        this.#end(stopped)
        // Only now: a handler that ends its answer when it hears of it has not said all.
        stop.abort()
      },
    })
    this.#listen()
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get hasHead(): boolean {
    return this.#hasHead
  }

  /** @throws {RetrysafeError} `HANDLER_FAILED` for a second one */
  head(head: HandlerHead): void {
    if (this.#isOver) return
    if (this.#hasHead) throw new RetrysafeError('HANDLER_FAILED', 'the handler answered twice')
    this.#hasHead = true
    this.#listen()
    const { status, contentEncoding, contentLength } = head
    this.#isBodiless = status === 204 || status === 304
    this.#leftBytes = contentLength ?? Number.POSITIVE_INFINITY
    const isEncoded = contentEncoding !== undefined && contentLength !== 0
    const canDecode = !isEncoded || isDecodable(contentEncoding)
    const recordable = canDecode ? (isEncoded ? withoutEncoding(head) : head) : undefined
    const becomes = this.#terms.run.head(head, recordable)
    if (becomes === 'recording' && isEncoded) this.#decoder = this.#openDecoder(contentEncoding)
  }

  /** @returns false when the handler should wait for `onRoom` */
  write(bytes: Uint8Array): boolean {
    if (this.#isOver || bytes.byteLength === 0) return true
    this.#listen()
    // Node, too, lets such a body go by.
    if (this.#isBodiless) return true
    this.#leftBytes -= bytes.byteLength
    if (this.#leftBytes < 0) {
      // The client would take the rest for the beginning of the next answer.
      this.fail(new Error(`the handler wrote ${-this.#leftBytes} bytes beyond its Content-Length`))
      return true
    }
    if (this.#decoder === undefined) return this.#terms.run.data(bytes)
    return this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  /** The handler has said all. */
  end(): void {
    if (this.#isOver) return
    // Fewer than were announced: the client could not tell the end of this answer from the beginning of the next.
    if (this.#leftBytes > 0 && this.#leftBytes !== Number.POSITIVE_INFINITY) {
      return this.fail(new Error(`the handler ended ${this.#leftBytes} bytes before its Content-Length`))
    }
    if (this.#decoder === undefined) this.#end(undefined)
    else this.#decoder.end()
  }

  /** The handler, or its stream, threw. */
  fail(error: unknown): void {
    const problem = { code: 'HANDLER_FAILED', detail: 'The handler threw before it had answered.' } as const
    this.failAs({ end: 'failed', problem: () => problem, error })
  }

  /** There is no whole answer, and somebody knows what that means. */
  failAs(failure: Failure): void {
    this.#end(failure)
  }

  /** Nobody waits for the answer any more. */
  abandon(detail: string): void {
    this.#end({ end: 'failed', problem: () => ({ code: 'HANDLER_FAILED', detail }) })
  }

  /** The handler says that it is done, and has not answered. */
  missing(): void {
    const message = 'the handler returned without an answer'
    const problem = { code: 'HANDLER_FAILED', detail: 'The handler returned without an answer.' } as const
    this.#end({ end: 'broken', problem: () => problem, error: new RetrysafeError('HANDLER_FAILED', message) })
  }

  #end(failure: Failure | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#silence?.cancel()
    this.#decoder?.destroy()
    this.#terms.run.end(failure)
    this.#terms.onRoom()
  }

  /** Begins to wait anew. */
  #listen(): void {
    const { timers, silenceMs, stop } = this.#terms
    this.#silence?.cancel()
    this.#silence = timers.after(silenceMs, () => {
      this.#end(silentFor(silenceMs))
      stop.abort()
    })
  }

  #openDecoder(contentEncoding: string): ContentDecoder {
    const sink = {
      data: (bytes: Buffer) => this.#terms.run.data(bytes),
      end: (error: Error | undefined) => (error === undefined ? this.#end(undefined) : this.fail(error)),
    }
    return new ContentDecoder(contentEncoding, sink, () => this.#terms.onRoom())
  }
}

const stopped: Failure = {
  end: 'broken',
  problem: () => ({ code: 'HANDLER_FAILED', detail: 'The run was stopped.' }),
}

function silentFor(silenceMs: number): Failure {
  const detail = `The handler said nothing for ${silenceMs} ms (handlerTimeoutMs).`
  const error = new RetrysafeError('HANDLER_TIMEOUT', `the handler said nothing for ${silenceMs} ms (handlerTimeoutMs)`)
  return {
    end: 'broken',
    problem: onCrash =>
      onCrash === 'fail' ? outcomeUnknown('the handler stayed silent') : { code: 'HANDLER_TIMEOUT', detail },
    error,
  }
}
