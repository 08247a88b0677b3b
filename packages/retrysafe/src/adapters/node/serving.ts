import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IdempotencyContext } from '../../engine/context.ts'
import type { Failure } from '../../server/failure.ts'
import { HandlerAnswer } from '../../server/handler-answer.ts'
import { noticeHeaders } from '../../server/notice.ts'
import type { Rules } from '../../server/options.ts'
import { type BodyReading, type Incoming, serve } from '../../server/serve.ts'
import { CapturedCaller } from './captured-caller.ts'
import { CapturedResponse } from './captured-response.ts'
import { goneSignal } from './gone.ts'
import { readRequestBody } from './request-body.ts'
import type { Outlet } from './response.ts'

/** How a framework on node:http takes part. */
export interface NodeStage {
  /** Takes the body in. Default: from the request. */
  readBody?(maxBytes: number, warn: (message: string) => void): Promise<BodyReading>
  /** Goes on to the handler. What it throws, or rejects with, ends the run as failed. */
  handle(context: IdempotencyContext): unknown
  /** Gets the errors that are not ours to answer. */
  failed(error: unknown): void
}

/** Serves one request on node:http, whatever framework handles it. */
export async function serveNode<Request>(
  rules: Rules<Request>,
  request: IncomingMessage,
  response: ServerResponse,
  framed: Request,
  stage: NodeStage,
): Promise<void> {
  const captured = new CapturedResponse(response)
  const { outlet } = captured
  const begin = async (context: IdempotencyContext): Promise<unknown> => stage.handle(context)
  try {
    await serve(rules, incomingOf(rules, request, outlet, framed, stage), {
      caller: new CapturedCaller(captured, error => stage.failed(error)),
      pass(context, notice) {
        const headers = noticeHeaders(notice)
        for (let at = 0; at + 1 < headers.length; at += 2) response.setHeader(headers[at] ?? '', headers[at + 1] ?? '')
        begin(context).catch(error => stage.failed(error))
      },
      handle(run, context, stop) {
        // A parser would find no body, and the handler answer to that: nothing has begun.
        if (request.destroyed && request.readableLength > 0) return run.end(leftEarly)
        const answer = new HandlerAnswer({
          run,
          timers: rules.safe.surroundings.timers,
          silenceMs: rules.handlerTimeoutMs,
          stop,
          onRoom: () => captured.tellRoom(),
        })
        captured.capture(answer)
        begin(context).catch(error => answer.fail(error))
      },
    })
  } catch (error) {
    if (outlet.headersSent) outlet.destroy()
    else stage.failed(error)
  }
}

const leftEarly: Failure = {
  end: 'free',
  problem: () => ({ code: 'HANDLER_FAILED', detail: 'The client left before its body was read.' }),
}

function incomingOf<Request>(
  { safe }: Rules<Request>,
  request: IncomingMessage,
  outlet: Outlet,
  framed: Request,
  { readBody = (maxBytes, warn) => readRequestBody(request, maxBytes, warn) }: NodeStage,
): Incoming<Request> {
  // Express cuts mounted routers' paths from `url`.
  const url = (Reflect.get(request, 'originalUrl') as string | undefined) ?? request.url ?? '/'
  const queryAt = url.indexOf('?')
  return {
    request: framed,
    method: request.method ?? 'GET',
    path: queryAt === -1 ? url : url.slice(0, queryAt),
    query: queryAt === -1 ? '' : url.slice(queryAt + 1),
    rawHeaders: request.rawHeaders,
    connection: request.socket,
    body: maxBytes => readBody(maxBytes, message => safe.warnOnce('raw body', message)),
    // Heard before the handler hears it: what it ends for that reason is not whole.
    gone: () => goneSignal(outlet),
  }
}
