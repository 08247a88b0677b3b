import type { NextFunction, Request, Response } from 'express'
import type { IdempotencyContext } from '../engine/context.ts'
import { type IdempotencyOptions, readRules } from '../server/options.ts'
import { serveNode } from './node/serving.ts'

export type { IdempotencyContext } from '../engine/context.ts'
export type { IdempotencyOptions } from '../server/options.ts'

declare global {
  namespace Express {
    interface Request {
      /** What a handler may know of its call; there wherever `idempotency()` stands before it. */
      idempotency: IdempotencyContext
    }
  }
}

/**
 * Makes what follows it safe to retry, in Express 4 and 5: the same key runs it once, and every retry gets that answer,
 * streams included. It stands before an app, a router or one route, after what authenticates.
 *
 * Before a body parser it compares the bytes of requests; behind one the parsed value, unless `rawBody` was kept. What
 * other middleware has set on the response before it is no part of the outcome. Of two on one way, the outer serves.
 *
 * Whatever throws, or calls `next(error)`, is answered by the app's error handlers; an answer outside of `recordStatus`
 * frees the key.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` at once
 * @example
 * const safe = createRetrysafe({ store: 'memory:' })
 * app.post('/messages', idempotency({ safe, tenant: request => request.get('x-user') }), (request, response) => {
 *   response.json({ key: request.idempotency.key })
 * })
 */
export function idempotency(
  options: IdempotencyOptions<Request>,
): (request: Request, response: Response, next: NextFunction) => void {
  const rules = readRules(options)
  return (request, response, next) => {
    const outer = request.idempotency as IdempotencyContext | undefined
    if (outer?.key !== undefined) return next()
    void serveNode(rules, request, response, request, {
      handle(context) {
        request.idempotency = context
        next()
      },
      failed: next,
    })
  }
}
