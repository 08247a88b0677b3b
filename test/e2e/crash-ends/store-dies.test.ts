import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { followArrivals } from '../../support/arrivals.ts'
import { type CrashServer, startCrashServers } from '../../support/crash-stores.ts'
import { eventually } from '../../support/eventually.ts'
import { type Answer, ask, open, problemOf } from '../../support/exchange.ts'
import { type Gateway, startOneGateway } from '../../support/gateway.ts'
import { recordOf, stateOf } from '../../support/records.ts'
import { startUpstream } from '../../support/upstream.ts'

const frame = 'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
const last = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const unavailable = { status: 503, code: 'STORE_UNAVAILABLE', shouldRetry: 'true' }

/** The run of a key that a test answers. */
const held = new Map<string, ServerResponse>()
const runs = new Map<string, number>()
const upstream = await startUpstream((response, request) => {
  const key = String(request.headers['idempotency-key'])
  const run = (runs.get(key) ?? 0) + 1
  runs.set(key, run)
  if (request.headers['x-answer'] === undefined || run > 1) return void response.end(`{"run":${run}}`)
  held.set(key, response)
  if (request.headers['x-answer'] === 'stream')
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(frame)
})
afterAll(upstream.stop)
const servers = await startCrashServers()

function headersOf(key: string, answer?: 'held' | 'stream'): Record<string, string> {
  const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json', 'Idempotency-Key': key }
  return { ...headers, ...(answer && { 'X-Answer': answer }) }
}

function post(gateway: Gateway, key: string, answer?: 'held'): Promise<Answer> {
  return ask(`${gateway.url}/effect`, { headers: headersOf(key, answer), body: '{}' })
}

function told({ headers, text }: Answer): unknown[] {
  return [headers['retrysafe-outcome'], text]
}

describe.each(servers)('%s', (name, server, make) => {
  describe.each(['rerun', 'fail'] as const)('under --on-crash %s', policy => {
    const keyOf = (point: string): string => `${name}-${policy}-${point}`
    let store: CrashServer
    /** Over the line, and beside it. */
    let gateway: Gateway
    let other: Gateway

    beforeAll(async () => {
      store = await make()
      const start = (url: string): Promise<Gateway> =>
        startOneGateway(upstream.url, ['--store', url, '--on-crash', policy, '--lease', '1h'])
      ;[gateway, other] = await Promise.all([start(store.lineUrl), start(store.url)])
    })
    afterAll(async () => {
      store.line.resume()
      await Promise.all([gateway.stop(), other.stop()])
      store.line.stop()
    })

    test('before the claim: 503, and nothing runs; after it a run', async () => {
      const key = keyOf('before')
      store.line.refuse()
      store.line.cut()
      expect(problemOf(await post(gateway, key))).toEqual(unavailable)
      expect(runs.get(key)).toBeUndefined()
      await store.line.accept()
      await eventually(async () => told(await post(gateway, key))).toEqual(['executed', '{"run":1}'])
    })

    test('claimed, not dispatched: 503, nothing runs, and the claim is given back', async () => {
      const key = keyOf('claimed')
      const answer = post(gateway, key)
      store.line.stall('server')
      await eventually(() => stateOf(other.admin, key)).toBe('running')
      expect(problemOf(await answer)).toEqual(unavailable)
      expect(runs.get(key)).toBeUndefined()
      store.line.resume()
      await eventually(() => stateOf(other.admin, key)).toBe('absent')
      expect(told(await post(gateway, key))).toEqual(['executed', '{"run":1}'])
    })

    test('completed, and nobody hears of it: the caller has its answer, and so has the retry', async () => {
      const key = keyOf('completed')
      const answer = post(gateway, key, 'held')
      await eventually(() => held.has(key)).toBe(true)
      store.line.stall('server')
      held.get(key)?.end('{"run":1}')
      await eventually(() => stateOf(other.admin, key)).toBe('completed')
      expect(told(await answer)).toEqual(['executed', '{"run":1}'])
      expect(told(await post(other, key))).toEqual(['replayed', '{"run":1}'])
      store.line.resume()
      await eventually(async () => told(await post(gateway, key))).toEqual(['replayed', '{"run":1}'])
      expect(runs.get(key)).toBe(1)
    })

    test('the server is killed (-9) while nothing has come, in mid-stream and before the end: all have their answers, and each is kept', async () => {
      const keys = { head: keyOf('no-head'), stream: keyOf('mid-stream'), kept: keyOf('kept') }
      expect(told(await post(gateway, keys.kept))).toEqual(['executed', '{"run":1}'])
      const plain = post(gateway, keys.head, 'held')
      const asked = { headers: headersOf(keys.stream, 'stream'), body: '{}' }
      const stream = await open(`${gateway.url}/effect`, asked)
      const arrivals = followArrivals(stream)
      await arrivals.until(frame)
      await eventually(() => held.has(keys.head)).toBe(true)

      await server.kill()
      held.get(keys.head)?.end('{"run":1}')
      held.get(keys.stream)?.end(last)
      expect(told(await plain)).toEqual(['executed', '{"run":1}'])
      await arrivals.until(last)
      expect(problemOf(await post(gateway, keys.head))).toEqual(unavailable)

      await server.start()
      for (const key of [keys.head, keys.stream]) {
        await eventually(() => stateOf(gateway.admin, key).catch(String)).toBe('completed')
      }
      expect(told(await post(gateway, keys.head))).toEqual(['replayed', '{"run":1}'])
      expect(told(await post(other, keys.stream))).toEqual(['replayed', frame + last])
      // What was acknowledged before the kill is still there.
      expect(told(await post(other, keys.kept))).toEqual(['replayed', '{"run":1}'])
      expect(await recordOf(other.admin, keys.head)).toMatchObject({ attempt: 1 })
      expect(Object.values(keys).map(key => runs.get(key))).toEqual([1, 1, 1])
    })
  })
})
