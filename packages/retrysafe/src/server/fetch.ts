import { types } from 'node:util'
import type { IdempotencyContext } from '../engine/context.ts'
import type { KeyNotice } from './caller.ts'
import type { Failure } from './failure.ts'
import { FetchCaller } from './fetch-caller.ts'
import { HandlerAnswer } from './handler-answer.ts'
import { readHandlerHead } from './handler-head.ts'
import { noticeHeaders } from './notice.ts'
import { type IdempotencyOptions, type Rules, readRules } from './options.ts'
import type { Run } from './run.ts'
import { type BodyReading, type Incoming, serve } from './serve.ts'

/** A handler of the Fetch standard; `rest` is what the platform gives beside the request. */
export type FetchHandler<Rest extends unknown[] = []> = (
  request: Request,
  ...rest: Rest
) => Response | Promise<Response>

/**
 * Makes a Fetch handler (Next.js route handlers, Bun, Deno, Workers) safe to retry: the same key runs it once, and every
 * retry gets that answer, streams included. Requests without a key pass, unless `keyless` says otherwise.
 *
 * The handler's `Response` is recorded while it is delivered, and goes on when the client leaves. `idempotencyOf(request)`
 * is what the handler may know of its call.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` at once; what the handler throws, the returned one rejects with
 * @example
 * const safe = createRetrysafe({ store: 'memory:' })
 * const handler = idempotency({ safe, tenant: 'credential' }, async request => Response.json(await request.json()))
 */
export function idempotency<Rest extends unknown[]>(
  options: IdempotencyOptions<Request>,
  handler: FetchHandler<Rest>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  const rules = readRules(options)
  return (request, ...rest) =>
    answerFetch(rules, {
      request,
      framed: request,
      handle(context) {
        contexts.set(request, context)
        return handler(request, ...rest)
      },
      readBody: maxBytes => readCopy(request, maxBytes),
    })
}

const contexts = new WeakMap<Request, IdempotencyContext>()

/** What a handler may know of the call that it serves; `undefined` outside of one. */
export function idempotencyOf(request: Request): IdempotencyContext | undefined {
  return contexts.get(request)
}

/** How a framework on the Fetch standard takes part. */
export interface FetchStage<Framed> {
  readonly request: Request
  /** What the framework's handlers get. */
  readonly framed: Framed
  /** Goes on to the handler, which finds the request's body untouched. */
  handle(context: IdempotencyContext): Response | Promise<Response>
  /** Takes the body in. */
  readBody(maxBytes: number): Promise<BodyReading>
  /** What of the URL counts as the path. Default: the path. */
  readonly path?: (url: URL) => string
  /** What it means that the handler, or its stream, threw. Default: it failed. */
  readonly failureOf?: (error: unknown) => Failure
  /** Whether a header of the answer was there before the handler. */
  readonly isOuter?: (name: string, value: string) => boolean
}

/** Serves one request of the Fetch standard. */
export async function answerFetch<Framed>(rules: Rules<Framed>, stage: FetchStage<Framed>): Promise<Response> {
  const { request } = stage
  const gone = new AbortController()
  if (request.signal?.aborted) gone.abort()
  else request.signal?.addEventListener('abort', () => gone.abort(), { once: true })
  const caller = new FetchCaller(() => gone.abort())
  // What is thrown at once is thrown all the same.
  const begin = async (context: IdempotencyContext): Promise<Response> => stage.handle(context)
  const served = serve(rules, incomingOf(stage, gone.signal), {
    caller,
    pass: (context, notice) =>
      begin(context).then(
        response => caller.settle({ response: notice === undefined ? response : withNotice(response, notice) }),
        error => caller.settle({ error }),
      ),
    handle: (run, context, stop) => void take(rules, stage, run, stop, begin(context)),
  })
  served.catch(error => caller.settle({ error }))
  return caller.response
}

/** The handler's own answer; its headers may be immutable. */
function withNotice(response: Response, notice: KeyNotice): Response {
  // Of an upgrade nobody can make another.
  if (!isResponse(response) || response.status < 200) return response
  const headers = new Headers(response.headers)
  const pairs = noticeHeaders(notice)
  for (let at = 0; at + 1 < pairs.length; at += 2) headers.set(pairs[at] ?? '', pairs[at + 1] ?? '')
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers })
}

function incomingOf<Framed>(stage: FetchStage<Framed>, gone: AbortSignal): Incoming<Framed> {
  const { request, framed, readBody } = stage
  const url = new URL(request.url)
  return {
    request: framed,
    method: request.method,
    path: stage.path?.(url) ?? url.pathname,
    query: url.search.slice(1),
    rawHeaders: [...request.headers].flat(),
    connection: request,
    body: readBody,
    gone: () => gone,
  }
}

/** From a copy of the request: the handler still finds the body in the request itself. */
export async function readCopy(request: Request, maxBytes: number): Promise<BodyReading> {
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > maxBytes) return { kind: 'too large', lengthBytes: announced }
  if (request.bodyUsed) {
    const detail = 'The body was read before it came here; put idempotency() before whatever reads it.'
    return { kind: 'refused', problem: { code: 'HANDLER_FAILED', detail } }
  }
  if (request.body === null) return { kind: 'bytes', bytes: new Uint8Array(0) }
  const reader = (request.clone().body as ReadableStream<Uint8Array>).getReader()
  const chunks: Uint8Array[] = []
  let lengthBytes = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return { kind: 'bytes', bytes: Buffer.concat(chunks) }
      chunks.push(value)
      lengthBytes += value.byteLength
      if (lengthBytes > maxBytes) {
        void reader.cancel().catch(() => {})
        return { kind: 'too large', lengthBytes }
      }
    }
  } catch {
    return { kind: 'left' }
  }
}

/** Takes the handler's answer to the run, whoever listens. */
async function take<Framed>(
  rules: Rules<Framed>,
  { isOuter, failureOf }: FetchStage<Framed>,
  run: Run,
  stop: AbortController,
  answering: Promise<Response>,
): Promise<void> {
  let wake: () => void = () => {}
  const answer = new HandlerAnswer({
    run,
    timers: rules.safe.surroundings.timers,
    silenceMs: rules.handlerTimeoutMs,
    stop,
    onRoom: () => wake(),
  })
  try {
    const response: unknown = await answering
    if (!isResponse(response)) return answer.missing()
    answer.head(readHandlerHead(response.status, pairsOf(response.headers), isOuter))
    const reader = response.body?.getReader()
    if (stop.signal.aborted) return void reader?.cancel().catch(() => {})
    stop.signal.addEventListener('abort', () => void reader?.cancel().catch(() => {}))
    while (reader !== undefined) {
      const { done, value } = await reader.read()
      if (answer.isOver) return void reader.cancel().catch(() => {})
      if (done) break
      if (!types.isUint8Array(value)) throw new TypeError(`a body takes Uint8Arrays, not ${typeof value}`)
      if (!answer.write(value) && !answer.isOver) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    }
    answer.end()
  } catch (error) {
    if (failureOf === undefined) answer.fail(error)
    else answer.failAs(failureOf(error))
  }
}

/** Also one of another realm or implementation. */
function isResponse(given: unknown): given is Response {
  const isObject = typeof given === 'object' && given !== null
  return isObject && typeof Reflect.get(given, 'status') === 'number' && Reflect.get(given, 'headers') !== undefined
}

/** Names and values in turn, each cookie by itself. */
function pairsOf(headers: Headers): string[] {
  const pairs: string[] = []
  for (const [name, value] of headers) pairs.push(name, value)
  return pairs
}
