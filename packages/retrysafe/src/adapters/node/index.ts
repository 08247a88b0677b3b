import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IdempotencyContext } from '../../engine/context.ts'
import { describeThrown } from '../../engine/thrown.ts'
import { type IdempotencyOptions, readRules } from '../../server/options.ts'
import { serveNode } from './serving.ts'

export type { IdempotencyContext } from '../../engine/context.ts'
export type { IdempotencyOptions } from '../../server/options.ts'

/** A request listener of node:http; a promise that it gives is waited for, and what that rejects with ends the run. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => unknown

const contexts = new WeakMap<IncomingMessage, IdempotencyContext>()

/** What a handler may know of the call that it serves; `undefined` outside of one. */
export function idempotencyOf(request: IncomingMessage): IdempotencyContext | undefined {
  return contexts.get(request)
}

/**
 * Makes a request listener of node:http safe to retry: the same key runs it once, and every retry gets that answer,
 * streams included. The handler writes to its response as ever; it is recorded while it is delivered.
 *
 * A handler that throws before it has answered frees the key, and the client gets a 500.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` at once
 * @example
 * const safe = createRetrysafe({ store: 'memory:' })
 * createServer(idempotency({ safe, tenant: 'credential' }, (_request, response) => response.end('done')))
 */
export function idempotency(
  options: IdempotencyOptions<IncomingMessage>,
  handler: NodeHandler,
): (request: IncomingMessage, response: ServerResponse) => void {
  const rules = readRules(options)
  return (request, response) =>
    void serveNode(rules, request, response, request, {
      handle(context) {
        contexts.set(request, context)
        return handler(request, response)
      },
      failed(error) {
        const why = describeThrown(error)
        rules.safe.warnOnce(`handler ${why}`, `a handler failed: ${why}`)
        if (response.headersSent) response.destroy()
        else response.writeHead(500, { 'Content-Type': 'text/plain' }).end('internal error\n')
      },
    })
}
