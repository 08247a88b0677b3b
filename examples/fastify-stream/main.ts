// With Node 22.18 or newer: node examples/fastify-stream/main.ts, and then twice, the second while the first is running:
// curl -N localhost:3000/reports -H 'Idempotency-Key: 1' -H 'Authorization: Bearer ann' --json '{"title":"2026"}'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRetrysafe } from 'retrysafe'
import { createApp } from './app.ts'

const safe = createRetrysafe({ store: process.env['STORE'] ?? 'memory:' })
const app = createApp(safe, async function* (title) {
  for (let page = 1; page <= 5; page++) {
    await sleep(1_000)
    yield `${title}, page ${page}`
  }
})
await app.listen({ port: 3000, host: '127.0.0.1' })
