import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'

/** A request with all of its body. */
export interface ExchangeRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Empty: none. */
  readonly body: Uint8Array
}

/** An answer that came whole, as far as its framing says. */
export interface ExchangeAnswer {
  readonly status: number
  /** By name in lower case; several lines of one are a list. */
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
}

/** The answer is longer than anybody here takes; what was sent was paid, and it would be as long the next time. */
export class AnswerTooLong extends Error {
  readonly code = 'ANSWER_TOO_LONG'
}

/**
 * Makes one request and takes its answer in, bounded. Rejects as undici does where no whole answer comes, with what the
 * signal says where it fires, and with `AnswerTooLong`.
 */
export function exchange(
  dispatcher: Dispatcher,
  { method, path, headers, body }: ExchangeRequest,
  signal: AbortSignal,
  maxAnswerBytes: number,
): Promise<ExchangeAnswer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const intake = new Intake(signal, maxAnswerBytes, resolve, reject)
    // Whoever pays for a call says when it is sent again, never the connection pool.
    const options = { method, path, headers, body: body.byteLength === 0 ? null : body, idempotent: false }
    dispatcher.dispatch(options as Dispatcher.DispatchOptions, intake)
  })
}

class Intake implements Dispatcher.DispatchHandler {
  readonly #signal: AbortSignal
  readonly #maxBytes: number
  readonly #resolve: (answer: ExchangeAnswer) => void
  readonly #reject: (error: unknown) => void
  readonly #stop = (): void => this.#controller?.abort(this.#signal.reason)
  readonly #pieces: Buffer[] = []
  #lengthBytes = 0
  #status = 0
  #headers: Readonly<Record<string, string>> = {}
  #controller: Dispatcher.DispatchController | undefined

  constructor(
    signal: AbortSignal,
    maxBytes: number,
    resolve: (answer: ExchangeAnswer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#signal = signal
    this.#maxBytes = maxBytes
    this.#resolve = resolve
    this.#reject = reject
    signal.addEventListener('abort', this.#stop, { once: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#signal.aborted) this.#stop()
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // 1xx: the real one is still to come (RFC 9110 §15.2).
    if (status < 200) return
    this.#status = status
    this.#headers = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name.toLowerCase(),
        Array.isArray(value) ? value.join(', ') : (value ?? ''),
      ]),
    )
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#lengthBytes += piece.byteLength
    if (this.#lengthBytes > this.#maxBytes) {
      return controller.abort(new AnswerTooLong(`its answer has more than ${this.#maxBytes} bytes`))
    }
    this.#pieces.push(piece)
  }

  onResponseEnd(): void {
    this.#signal.removeEventListener('abort', this.#stop)
    const [first = Buffer.alloc(0), second] = this.#pieces
    const bytes = second === undefined ? first : Buffer.concat(this.#pieces, this.#lengthBytes)
    this.#resolve({ status: this.#status, headers: this.#headers, bytes })
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#signal.removeEventListener('abort', this.#stop)
    // Before there is a connection nothing can have been sent, whatever the error is called.
    this.#reject(this.#controller === undefined ? Object.assign(error, { notSent: true }) : error)
  }
}
