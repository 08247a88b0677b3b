import { type Exchange, timedOut } from './exchange.ts'
import { whenForgotten } from './forgotten.ts'
import type { FetchRules } from './options.ts'

/** So much of what nobody wants is taken in, in so much time. */
const drainedBytes = 65_536
const drainMs = 1_000

/** What comes next of an answer's body. */
export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'broken'; readonly error: unknown }

/** Reads the body of one exchange, and ends it when it is silent for too long. */
export class PieceReader {
  readonly exchange: Exchange
  readonly #rules: FetchRules
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  #ahead: Uint8Array[] = []
  #over: Piece | undefined

  constructor(exchange: Exchange, rules: FetchRules) {
    this.exchange = exchange
    this.#rules = rules
    const { signal } = exchange
    const reader = exchange.response.body?.getReader()
    this.#reader = reader
    // Also where who sent the request does not look at its signal.
    const stop = (): void => void reader?.cancel(signal.reason).catch(() => {})
    // The platform does not see that nobody reads what we have locked: its connection would stay.
    whenForgotten(this, stop)
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
  }

  /** These come again, before the rest. */
  putBack(pieces: readonly Uint8Array[]): void {
    this.#ahead = [...pieces, ...this.#ahead]
  }

  async next(): Promise<Piece> {
    const bytes = this.#ahead.shift()
    if (bytes !== undefined) return { kind: 'bytes', bytes }
    this.#over ??= this.#reader === undefined ? { kind: 'end' } : undefined
    if (this.#over !== undefined) return this.#over
    const piece = await this.#read()
    if (piece.kind === 'bytes') return piece
    this.#over = piece
    this.exchange.close()
    return piece
  }

  /** Nobody wants the answer; a short one is taken in, so that its connection can be used again. */
  discard(): void {
    const { headers } = this.exchange.response
    const lengthBytes = Number(headers.get('content-length') ?? Number.NaN)
    if (lengthBytes <= drainedBytes) void this.#drain()
    else this.cancel(new Error('the answer was discarded'))
  }

  /** Nobody wants the rest. */
  cancel(reason: unknown): void {
    this.exchange.abort(reason)
    this.exchange.close()
  }

  async #drain(): Promise<void> {
    const { timers } = this.#rules.surroundings
    const timer = timers.after(drainMs, () => this.cancel(new Error('the rest was not there to be discarded')))
    while ((await this.next()).kind === 'bytes');
    timer.cancel()
  }

  async #read(): Promise<Piece> {
    const { signal, abort } = this.exchange
    const { surroundings, silenceTimeoutMs } = this.#rules
    const silence = surroundings.timers.after(silenceTimeoutMs, () =>
      abort(timedOut(silenceTimeoutMs, 'silenceTimeoutMs')),
    )
    try {
      const read = await this.#reader?.read()
      if (read?.value !== undefined) return { kind: 'bytes', bytes: read.value }
      // A reader that was cancelled says that it is done.
      return signal.aborted ? { kind: 'broken', error: signal.reason } : { kind: 'end' }
    } catch (error) {
      return { kind: 'broken', error: signal.aborted ? signal.reason : error }
    } finally {
      silence.cancel()
    }
  }
}
