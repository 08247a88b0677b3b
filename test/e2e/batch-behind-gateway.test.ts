import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRetrysafe } from 'retrysafe'
import { type BatchContext, type BatchResult, runBatch } from 'retrysafe/batch'
import { expect, onTestFinished, test } from 'vitest'
import { findFreePort } from '../support/free-port.ts'
import { startGateway } from '../support/gateway.ts'

test('a provider that is down behind a gateway costs no item its retries: the batch goes on once it is back', async () => {
  const port = await findFreePort()
  const gateway = await startGateway(`http://127.0.0.1:${port}`)
  onTestFinished(() => gateway.stop())
  const safe = createRetrysafe({ store: 'memory:' })
  onTestFinished(() => safe.close())
  const provider = createServer((request, response) => request.resume().on('end', () => response.end('{"id":"c"}')))
  onTestFinished(() => void provider.close().closeAllConnections())

  let refused = 0
  async function send(item: string, { idempotencyKey, signal }: BatchContext): Promise<string> {
    const headers = {
      'content-type': 'application/json',
      authorization: 'Bearer sk-batch',
      'idempotency-key': idempotencyKey,
    }
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: item }] })
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, body, signal })
    const text = await answer.text()
    if (answer.ok) return text
    // Twice as often as there are items: each of them is refused more often than once.
    if (++refused === 12) {
      provider.listen(port, '127.0.0.1')
      await once(provider, 'listening')
    }
    throw Object.assign(new Error(`${answer.status}`), { status: answer.status, headers: answer.headers, body: text })
  }

  const results: BatchResult<string, string>[] = []
  const items = ['a', 'b', 'c', 'd', 'e', 'f']
  const options = { batchId: 'b', safe, send, retries: 0, baseDelayMs: 50, honoursKeys: true }
  for await (const result of runBatch(items, options)) results.push(result)
  expect(results.map(({ kind, item }) => `${kind} ${item}`).sort()).toEqual(items.map(item => `done ${item}`))
  expect(refused).toBeGreaterThanOrEqual(12)
})
