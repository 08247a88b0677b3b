import type { Context, MiddlewareHandler } from 'hono'
import type { IdempotencyContext } from '../engine/context.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { answerFetch, readCopy } from '../server/fetch.ts'
import { type IdempotencyOptions, readRules } from '../server/options.ts'
import type { BodyReading } from '../server/serve.ts'

export type { IdempotencyContext } from '../engine/context.ts'
export type { IdempotencyOptions } from '../server/options.ts'

declare module 'hono' {
  interface ContextVariableMap {
    /** What a handler may know of its call; there wherever `idempotency()` stands before it. */
    idempotency: IdempotencyContext
  }
}

/**
 * Makes what follows it safe to retry, in Hono 4 on every platform: the same key runs it once, and every retry gets that
 * answer, streams included. It stands before an app or one route, after what authenticates.
 *
 * What other middleware has set on the response before it is no part of the outcome; what such does to the response
 * afterwards it does to replays too. Of two on one way, the outer serves.
 *
 * A handler that throws is answered by `app.onError`; an answer outside of `recordStatus` frees the key.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` at once
 * @example
 * const safe = createRetrysafe({ store: 'memory:' })
 * app.post('/messages', idempotency({ safe, tenant: c => c.req.header('x-user') }), c => c.json(c.get('idempotency').key))
 */
export function idempotency(options: IdempotencyOptions<Context>): MiddlewareHandler {
  const rules = readRules(options)
  return async (c, next) => {
    const outer = c.get('idempotency') as IdempotencyContext | undefined
    if (outer?.key !== undefined) return next()
    const before = [...c.res.headers]
    const response = await answerFetch(rules, {
      request: c.req.raw,
      framed: c,
      async handle(context) {
        c.set('idempotency', context)
        await next()
        return c.res
      },
      readBody: maxBytes => readBody(c, maxBytes),
      isOuter: (name, value) => before.some(([outerName, given]) => outerName === name && given === value),
    })
    if (c.finalized && c.res === response) return
    // Without this Hono would add the headers of a handler's answer.
    if (c.finalized) c.res = undefined
    c.res = response
  }
}

/** Where somebody has read the body before us, Hono has kept what it was; but of a form not its bytes. */
async function readBody({ req }: Context, maxBytes: number): Promise<BodyReading> {
  const kept = Object.keys(req.bodyCache)
  if (kept.length === 0) return readCopy(req.raw, maxBytes)
  if (kept.every(name => name === 'formData' || name === 'parsedBody')) {
    throw new RetrysafeError(
      'CONFIG_INVALID',
      'the form was read before idempotency() saw it, and its bytes are gone: put idempotency() before whatever reads it',
    )
  }
  const bytes = new Uint8Array(await req.arrayBuffer())
  return bytes.byteLength > maxBytes ? { kind: 'too large', lengthBytes: bytes.byteLength } : { kind: 'bytes', bytes }
}
