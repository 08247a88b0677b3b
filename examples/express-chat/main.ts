// With Node 22.18 or newer: node examples/express-chat/main.ts, and then twice:
// curl -N localhost:3000/api/messages -H 'Idempotency-Key: 1' -H 'X-User: ann' --json '{"messages":[]}'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRetrysafe } from 'retrysafe'
import { createApp, type Model } from './app.ts'

const model: Model = async function* () {
  for (const word of ['Once', 'and', 'only', 'once.']) {
    await sleep(300)
    yield word
  }
}

const safe = createRetrysafe({ store: process.env['STORE'] ?? 'memory:' })
const server = createApp(safe, model).listen(3000, '127.0.0.1')
process.once('SIGTERM', () => {
  server.close()
  void safe.close()
})
