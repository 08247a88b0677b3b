import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterAll, expect, test } from 'vitest'
import { followArrivals } from '../support/arrivals.ts'
import { eventually } from '../support/eventually.ts'
import { open } from '../support/exchange.ts'
import { type Gateway, makeStore, startOneGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const graceMs = 500
const frame = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
const last = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const credential = { Authorization: 'Bearer sk-alice' }

const runs = new Map<string, ServerResponse>()
const upstream = await startUpstream((response, request) => {
  runs.set(String(request.headers['idempotency-key']), response)
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(frame)
})
afterAll(upstream.stop)
const flags = [...(await makeStore()), '--on-disconnect', `grace:${graceMs}ms`]
const [one, other] = await Promise.all([startOneGateway(upstream.url, flags), startOneGateway(upstream.url, flags)])
afterAll(() => Promise.all([one.stop(), other.stop()]))

/** Begins a stream and leaves it after its first frame; answers its id, and when it was left. */
async function leave(key: string): Promise<{ id: string; leftMs: number }> {
  const headers = { ...credential, 'Content-Type': 'application/json', 'Idempotency-Key': key }
  const response = await open(`${one.url}/v1/chat/completions`, { headers, body: '{}' })
  await followArrivals(response).until(frame)
  const id = String(response.headers['retrysafe-stream'])
  response.destroy()
  return { id, leftMs: performance.now() }
}

test('control: a stream that its client has left and nobody resumes is stopped after the grace', async () => {
  const { leftMs } = await leave('deserted')
  await eventually(() => runs.get('deserted')?.destroyed).toBe(true)
  expect(performance.now() - leftMs).toBeGreaterThanOrEqual(graceMs - 50)
})

test.each<[string, Gateway]>([
  ['its own gateway', one],
  ['another one', other],
])('who resumes it by its id at %s keeps it', async (where, gateway) => {
  const key = `kept-${where.replaceAll(' ', '-')}`
  const { id, leftMs } = await leave(key)
  const url = `${gateway.url}/_retrysafe/streams/${id}?offset=4`
  const resumed = await open(url, { method: 'GET', headers: credential })
  const arrivals = followArrivals(resumed)
  await arrivals.until(frame.slice(4))
  await eventually(() => performance.now() - leftMs).toBeGreaterThan(3 * graceMs)
  expect(runs.get(key)?.destroyed).toBe(false)
  const ended = once(resumed, 'end')
  runs.get(key)?.end(last)
  await arrivals.until(last)
  await ended
})
