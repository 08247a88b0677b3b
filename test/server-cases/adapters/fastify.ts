import { Readable } from 'node:stream'
import createFastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { idempotency } from '../../../packages/retrysafe/src/adapters/fastify.ts'
import type { CallContext, HeaderLines, Script } from '../script.ts'
import { type Built, optionsFor, type Setting } from './adapter.ts'

export async function buildFastify(setting: Setting): Promise<Built> {
  const { begin, outerHeader } = setting
  const app = createFastify({ bodyLimit: 67_108_864, exposeHeadRoutes: false })
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  if (outerHeader !== undefined) {
    app.addHook('onRequest', async (_request, reply) => {
      reply.header(...outerHeader())
    })
  }
  if (setting.safe !== undefined) {
    await app.register(
      idempotency,
      optionsFor<FastifyRequest>(
        setting,
        ({ headers }) =>
          name =>
            headers[name]?.toString(),
      ),
    )
  }
  app.all('/*', async (request, reply) => {
    const context: CallContext | undefined = request.idempotency
    return play(reply, await begin(textOf(request.body), context))
  })
  await app.ready()
  return { listener: app.routing, close: () => app.close() }
}

function textOf(body: unknown): string {
  if (body instanceof Uint8Array) return Buffer.from(body).toString()
  return body === undefined || body === null ? '' : JSON.stringify(body)
}

/** In the idioms of Fastify. */
async function play(reply: FastifyReply, script: Script): Promise<unknown> {
  switch (script.kind) {
    case 'json':
      // Fastify sends a bare string as it is.
      return setHead(reply, script).type('application/json').send(JSON.stringify(script.value))
    case 'whole':
      return setHead(reply, script, 'text/plain').send(
        typeof script.body === 'string' ? script.body : Buffer.from(script.body),
      )
    case 'empty':
      return setHead(reply, script).send()
    case 'redirect':
      return reply.redirect(script.to, 303)
    case 'stream':
      return setHead(reply, script, 'text/plain').send(Readable.from(script.pieces, { objectMode: false }))
    case 'silent':
      return new Promise(() => {})
    case 'forgotten':
      return undefined
    case 'twice':
      reply.type('text/plain').send(script.first)
      return reply.code(201).send(script.second)
    case 'late write':
      reply.type('text/plain').send(script.body)
      reply.raw.on('error', () => {})
      reply.raw.write(script.late)
      return reply
  }
}

function setHead(
  reply: FastifyReply,
  { status = 200, headers = [] }: { status?: number; headers?: HeaderLines },
  mediaType?: string,
): FastifyReply {
  if (mediaType !== undefined) reply.type(mediaType)
  // Of cookies Fastify keeps every line.
  for (const [name, value] of headers) reply.header(name, value)
  return reply.code(status)
}
