// A function on an edge with Hono: `export default createApp(safe, model)` on Workers, Deno and Bun.
import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { streamSSE } from 'hono/streaming'
import type { Retrysafe } from 'retrysafe'
import { idempotency } from 'retrysafe/hono'

/** Your model: gives its words as they come. */
export type Model = (question: string) => AsyncIterable<string>

export function createApp(safe: Retrysafe, model: Model, token: string): Hono {
  const app = new Hono()
  // Who may not come in is turned away before a key is looked at.
  app.use('/ask', bearerAuth({ token }), idempotency({ safe, tenant: 'credential' }))

  app.post('/ask', async c => {
    const { question } = await c.req.json<{ question: string }>()
    return streamSSE(c, async out => {
      for await (const word of model(question)) await out.writeSSE({ data: word })
    })
  })
  return app
}
