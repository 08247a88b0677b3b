// A report that takes a while, streamed by Fastify: who asks again meanwhile joins the same report.
import { Readable } from 'node:stream'
import fastify, { type FastifyInstance } from 'fastify'
import type { Retrysafe } from 'retrysafe'
import { idempotency } from 'retrysafe/fastify'

/** Writes a report, line by line. */
export type Write = (title: string, signal: AbortSignal) => AsyncIterable<string>

export function createApp(safe: Retrysafe, write: Write): FastifyInstance {
  const app = fastify()
  // The caller's own credential says whose key it is.
  app.register(idempotency, { safe, tenant: 'credential', onDisconnect: 'finish' })

  app.post<{ Body: { title: string } }>('/reports', (request, reply) => {
    const lines = write(request.body.title, request.idempotency.signal)
    return reply.type('application/x-ndjson').send(Readable.from(encode(lines)))
  })

  app.post('/ping', { config: { idempotency: false } }, async () => 'pong')
  return app
}

async function* encode(lines: AsyncIterable<string>): AsyncIterable<string> {
  for await (const line of lines) yield `${JSON.stringify({ line })}\n`
}
