import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { IdempotencyContext } from '../engine/context.ts'
import { type IdempotencyOptions, type Rules, readRules } from '../server/options.ts'
import type { BodyReading } from '../server/serve.ts'
import { type ParsedBody, readRequestBody } from './node/request-body.ts'
import { serveNode } from './node/serving.ts'

export type { IdempotencyContext } from '../engine/context.ts'
export type { IdempotencyOptions } from '../server/options.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What a handler may know of its call; there wherever `idempotency` is registered. */
    idempotency: IdempotencyContext
  }
  interface FastifyContextConfig {
    /** `false`: this route is handled as if `idempotency` were not there. */
    idempotency?: false
  }
}

/** Where an instance keeps its rules; those that it encloses inherit them, or have their own. */
const rulesOf = Symbol('retrysafe.rules')
const bodies = new WeakMap<FastifyRequest, BodyReading>()

/**
 * Makes routes safe to retry, in Fastify 5: the same key runs a handler once, and every retry gets that answer, streams
 * included. It holds for all routes of the instance where it is registered, but for those with
 * `config: { idempotency: false }`; an enclosed instance may register it again with options of its own.
 *
 * The key is claimed in a `preHandler` hook: what authenticates stands in an earlier hook, or in a `preHandler` that was
 * added before. The body's bytes are taken in `preParsing`, and are there for the parser all the same. What a handler
 * sends is recorded as it leaves Fastify, serialised and after `onSend`; replays don't pass `onSend` again. Headers that
 * hooks set before the handler are no part of the outcome, and stand anew on every replay.
 *
 * A handler that throws is answered by the error handler; an answer outside of `recordStatus` frees the key.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, when the instance gets ready
 * @example
 * const safe = createRetrysafe({ store: 'memory:' })
 * await app.register(idempotency, { safe, tenant: request => request.headers['x-user'] as string })
 * app.post('/messages', async request => ({ key: request.idempotency.key }))
 */
export const idempotency: FastifyPluginAsync<IdempotencyOptions<FastifyRequest>> = async (app, options) => {
  const rules = readRules(options)
  const isInherited = ownRules(app) !== undefined
  Reflect.set(app, rulesOf, rules)
  if (!isInherited) addHooks(app)
}

// For the instance that registers it, not for one within; so the package fastify-plugin does it.
Object.assign(idempotency, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'retrysafe',
  [Symbol.for('plugin-meta')]: { name: 'retrysafe', fastify: '5.x' },
})

function addHooks(app: FastifyInstance): void {
  app.decorateRequest('idempotency')
  app.addHook('preParsing', (request, _reply, payload, done) => {
    const rules = rulesFor(request)
    const isUnread = payload === request.raw && !request.raw.readableDidRead
    if (rules === undefined || !isUnread || !mayHaveKey(rules, request)) return done()
    const read = readRequestBody(request.raw, rules.maxRequestBytes, () => {})
    void read.then(reading => {
      bodies.set(request, reading)
      done()
    }, done)
  })
  app.addHook('preHandler', (request, reply, done) => {
    const rules = rulesFor(request)
    if (rules === undefined) return done()
    serveReply(rules, request, reply, done)
  })
}

function serveReply(
  rules: Rules<FastifyRequest>,
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  let hasBegun = false
  // What hooks have set so far: Fastify keeps it to itself until a handler answers.
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value)
  }
  void serveNode(rules, request.raw, reply.raw, request, {
    readBody: async (maxBytes, warn) =>
      bodies.get(request) ?? readRequestBody(request.raw, maxBytes, warn, request as ParsedBody),
    handle(context) {
      request.idempotency = context
      hasBegun = true
      done()
    },
    failed(error) {
      if (hasBegun) void reply.send(error)
      else done(error as Error)
    },
  })
}

/** Only what may be served under a key is taken in. */
function mayHaveKey(rules: Rules<FastifyRequest>, { method, headers }: FastifyRequest): boolean {
  return rules.methods.has(method) && (rules.key !== undefined || rules.keyHeaders.some(name => name in headers))
}

function rulesFor({ server, routeOptions }: FastifyRequest): Rules<FastifyRequest> | undefined {
  return routeOptions.config?.idempotency === false ? undefined : ownRules(server)
}

function ownRules(app: FastifyInstance): Rules<FastifyRequest> | undefined {
  return Reflect.get(app, rulesOf) as Rules<FastifyRequest> | undefined
}
