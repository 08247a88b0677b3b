/** What a body is written in. */
export type Piece = string | Uint8Array

/** Names and values: a name may come again, as `Set-Cookie` does. */
export type HeaderLines = readonly (readonly [name: string, value: string])[]

interface Head {
  /** Default 200. */
  readonly status?: number
  readonly headers?: HeaderLines
}

/** What a handler does with its response, whatever framework it stands in; a play that throws is a handler that throws. */
export type Script =
  /** The framework's own JSON helper. */
  | (Head & { kind: 'json'; value: unknown })
  /** A whole body at once. */
  | (Head & { kind: 'whole'; body: Piece })
  | (Head & { kind: 'empty' })
  | { kind: 'redirect'; to: string }
  /** One piece after the other; what the pieces throw breaks the answer off. */
  | (Head & { kind: 'stream'; pieces: AsyncIterable<Piece> })
  /** Never answers. */
  | { kind: 'silent' }
  /** Returns, and has not answered. */
  | { kind: 'forgotten' }
  | { kind: 'twice'; first: string; second: string }
  | { kind: 'late write'; body: string; late: string }

/** One run of the handler: what it sees of its request. */
export interface Call {
  /** Which run of this handler it is, from 1. */
  readonly count: number
  /** The body as the framework gives it; of what a parser made a value, that value as JSON. */
  readonly body: string
  readonly context: CallContext | undefined
}

/** As much of the idempotency context as tests look at; none without our middleware. */
export interface CallContext {
  readonly key: string | undefined
  readonly signal: AbortSignal
  readonly attempt: number
  readonly replayable: boolean
  derive(name: string): string
}

/** A handler. */
export type Play = (call: Call) => Script | Promise<Script>

/** A play that always answers so. */
export const always =
  (script: Script): Play =>
  () =>
    script

/** Pieces that a test lets out by hand. */
export interface Tap extends AsyncIterable<Piece> {
  push(...pieces: readonly Piece[]): void
  end(): void
  fail(error: unknown): void
}

export function openTap(): Tap {
  const waiting: Piece[] = []
  let over: { error?: unknown } | undefined
  let wake: () => void = () => {}
  return {
    push(...pieces) {
      waiting.push(...pieces)
      wake()
    },
    end() {
      over = {}
      wake()
    },
    fail(error) {
      over = { error }
      wake()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const piece = waiting.shift()
        if (piece !== undefined) yield piece
        else if (over === undefined) {
          await new Promise<void>(resolve => {
            wake = resolve
          })
        } else if ('error' in over) throw over.error
        else return
      }
    },
  }
}

/** Pieces that are all there. */
export async function* pieces(...all: readonly Piece[]): AsyncGenerator<Piece> {
  yield* all
}

/** Something that a handler waits for until the test opens it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open: () => open() }
}
