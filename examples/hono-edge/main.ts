// The same function on Node, 22.18 or newer: node examples/hono-edge/main.ts, and then twice:
// curl -N localhost:3000/ask -H 'Idempotency-Key: 1' -H 'Authorization: Bearer secret' --json '{"question":"Why?"}'
import { serve } from '@hono/node-server'
import { createRetrysafe } from 'retrysafe'
import { createApp } from './app.ts'

const safe = createRetrysafe({ store: process.env['STORE'] ?? 'memory:' })
const app = createApp(
  safe,
  async function* () {
    yield* ['Because', 'it', 'is', 'so.']
  },
  process.env['TOKEN'] ?? 'secret',
)
serve({ fetch: app.fetch, port: 3000, hostname: '127.0.0.1' })
