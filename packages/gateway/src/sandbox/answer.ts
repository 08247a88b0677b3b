/** What an endpoint says, before any fault touches it: a whole body, or the frames of a stream in order. */
export type Answer = PlainAnswer | StreamAnswer

export interface PlainAnswer {
  readonly kind: 'plain'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface StreamAnswer {
  readonly kind: 'stream'
  readonly headers: Readonly<Record<string, string>>
  /** Drawn lazily, one write each: a long stream is never held in memory as a whole. Each iteration begins anew. */
  readonly frames: Iterable<string | Buffer>
  /** What the provider sends in place of its frames from `index` on when it fails there, up to a clean end. */
  failAt(index: number): readonly string[]
}

/** A plain answer whose body is `value` as JSON. Member order is the order of the wire. */
export function jsonAnswer(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): PlainAnswer {
  return {
    kind: 'plain',
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  }
}

/** A plain answer of UTF-8 text. */
export function textAnswer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): PlainAnswer {
  return {
    kind: 'plain',
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
    body: Buffer.from(text),
  }
}

/** An event stream. */
export function sseAnswer(stream: Omit<StreamAnswer, 'kind'>): StreamAnswer {
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', ...stream.headers }
  return { kind: 'stream', ...stream, headers }
}

/** The frames that `draw` yields, as often as they are asked for. */
export function framesFrom<F extends string | Buffer>(draw: () => Generator<F>): Iterable<F> {
  return { [Symbol.iterator]: draw }
}

/** `data: …`, an event without a name. */
export function dataFrame(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

/** An event named by the `type` of its data, as OpenAI Responses and Anthropic send it. */
export function typedFrame(type: string, members: object = {}): string {
  return `event: ${type}\n${dataFrame({ type, ...members })}`
}
