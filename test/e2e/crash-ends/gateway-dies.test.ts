import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { followArrivals } from '../../support/arrivals.ts'
import { type CrashServer, type CrashStore, makeLmdb, startCrashServers } from '../../support/crash-stores.ts'
import { type Answer, ask, open, problemOf } from '../../support/exchange.ts'
import { type Gateway, startOneGateway } from '../../support/gateway.ts'
import { openRaw } from '../../support/raw-client.ts'
import { listRecords, stateOf } from '../../support/records.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { startUpstream } from '../../support/upstream.ts'

const frame = 'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
const held = { 'X-Answer': 'held' }
const within = { timeout: 10_000, interval: 10 }
const credential = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json' }

/** The first run of each key, for a test to answer. Later ones are answered at once. */
const first = new Map<string, ServerResponse>()
const runs = new Map<string, number>()
const upstream = await startUpstream((response, request) => {
  const key = String(request.headers['idempotency-key'])
  const run = (runs.get(key) ?? 0) + 1
  runs.set(key, run)
  if (run > 1 || request.headers['x-answer'] === undefined) return void response.end(`{"run":${run}}`)
  first.set(key, response)
  if (request.headers['x-answer'] === 'stream')
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(frame)
})
afterAll(upstream.stop)

const servers = await startCrashServers()
const stores: readonly (readonly [string, () => Promise<CrashStore> | CrashStore])[] = [
  ['LMDB', makeLmdb],
  ...servers.map(([name, , make]) => [name, make] as const),
]

/** `X-Answer` does not count: the retry without it is the same request. */
function post(url: string, key: string, more: Record<string, string> = {}): Promise<Answer> {
  return ask(`${url}/effect`, { headers: { ...credential, 'Idempotency-Key': key, ...more }, body: '{}' })
}

/** What nobody will answer any more. */
function broken(answer: Promise<unknown>): Promise<void> {
  return expect(answer).rejects.toThrow()
}

/** A request whose body is half in: the gateway has asked for it, so it has the head. */
async function uploadHalf(gateway: Gateway, key: string): Promise<{ ended: Promise<unknown> }> {
  const client = await openRaw(gateway.url)
  const lines = ['POST /effect HTTP/1.1', 'Host: gateway', 'Authorization: Bearer sk-test', `Idempotency-Key: ${key}`]
  client.socket.write([...lines, 'Expect: 100-continue', 'Content-Length: 12', '', ''].join('\r\n'))
  await vi.waitFor(() => expect(client.text()).toContain('100 Continue'), within)
  client.socket.write('{"amou')
  return client
}

async function hasRun(key: string): Promise<void> {
  await vi.waitFor(() => expect(runs.get(key)).toBe(1), within)
}

/** Lease and grace are over, where the store does not see sooner that an owner is gone. */
async function waitForLapse({ lease }: CrashStore, admin: string): Promise<void> {
  if (lease === '1h') return
  const look = async (): Promise<void> => {
    const running = await listRecords(admin, '?state=running&limit=1000')
    expect(running.filter(({ leaseLeftMs }) => (leaseLeftMs ?? 0) > -2_000)).toEqual([])
  }
  await vi.waitFor(look, { timeout: 10_000, interval: 20 })
}

function isDistant(store: CrashStore | CrashServer): store is CrashServer {
  return 'line' in store
}

const unknown = { status: 424, code: 'OUTCOME_UNKNOWN', shouldRetry: 'false' }
type End = readonly [point: string, runsBefore: number, rerun: [string, number], fail: [string, number]]
/** Where the gateway died; what had been paid by then; what the retry gets, and what has been paid in the end. */
const ends: readonly End[] = [
  ['before the claim', 0, ['executed', 1], ['executed', 1]],
  ['claimed, not dispatched', 0, ['executed', 1], ['executed', 1]],
  ['dispatched, no head', 1, ['executed', 2], ['unknown', 1]],
  ['in mid-stream', 1, ['executed', 2], ['unknown', 1]],
  ['answer whole, not completed', 1, ['executed', 2], ['unknown', 1]],
  ['completed, not delivered', 1, ['replayed', 1], ['replayed', 1]],
]

describe.each(stores)('%s', (name, make) => {
  describe.each(['rerun', 'fail'] as const)('a gateway is killed (-9) under --on-crash %s', policy => {
    const key = (point: string): string => `${name}-${policy}-${point.replaceAll(/\W+/g, '-')}`
    let store: CrashStore | CrashServer
    let other: Gateway

    beforeAll(async () => {
      store = await make()
      const flags = ['--on-crash', policy, '--lease', store.lease]
      const start = (url: string): Promise<Gateway> => startOneGateway(upstream.url, ['--store', url, ...flags])
      const killed = await start(isDistant(store) ? store.lineUrl : store.url)
      other = await start(store.url)
      const clients: Promise<unknown>[] = []

      clients.push((await uploadHalf(killed, key('before the claim'))).ended)
      clients.push(broken(post(killed.url, key('dispatched, no head'), held)))
      clients.push(broken(post(killed.url, key('answer whole, not completed'), held)))
      const headers = { ...credential, 'Idempotency-Key': key('in mid-stream'), 'X-Answer': 'stream' }
      const stream = await open(`${killed.url}/effect`, { headers, body: '{}' })
      clients.push(broken(once(stream, 'end')))
      await followArrivals(stream).until(frame)
      // Its answer is written, and stays on the way.
      const way = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(killed.url).port) })
      way.stall('server')
      clients.push(broken(post(`http://127.0.0.1:${way.port}`, key('completed, not delivered'))))
      await vi.waitFor(
        async () => expect(await stateOf(other.admin, key('completed, not delivered'))).toBe('completed'),
        within,
      )
      for (const point of ['dispatched, no head', 'answer whole, not completed']) await hasRun(key(point))
      // The claim is made, and the gateway does not hear of it.
      if (isDistant(store)) {
        store.line.stall('server')
        clients.push(broken(post(killed.url, key('claimed, not dispatched'))))
        const claimed = async () => expect(await stateOf(other.admin, key('claimed, not dispatched'))).toBe('running')
        await vi.waitFor(claimed, within)
      }
      // It stands still, and the whole answer lies before it.
      killed.pause()
      const answered = first.get(key('answer whole, not completed'))
      answered?.end('{"run":1}')
      await vi.waitFor(() => expect(answered?.writableFinished).toBe(true), within)
      await killed.kill()
      way.stop()
      await Promise.all(clients)
      if (isDistant(store)) store.line.stop()
      await waitForLapse(store, other.admin)
    })
    afterAll(() => other.stop())

    // On LMDB there is no line to hold a claim up on: gateway-crash-window.test.ts stops the process there.
    const here = name === 'LMDB' ? ends.filter(([point]) => point !== 'claimed, not dispatched') : ends
    test.each(here)('%s', async (point, paid, ...told) => {
      const its = key(point)
      const [outcome, runsAfter] = told[policy === 'rerun' ? 0 : 1]
      expect(runs.get(its) ?? 0).toBe(paid)
      const retry = await post(other.url, its)
      if (outcome === 'unknown') expect(problemOf(retry)).toEqual(unknown)
      else expect([retry.headers['retrysafe-outcome'], retry.text]).toEqual([outcome, `{"run":${runsAfter}}`])
      expect(runs.get(its)).toBe(runsAfter)
    })
  })
})

test('memory: all is forgotten with the process, and runs again under fail too', async () => {
  const flags = ['--store', 'memory:', '--on-crash', 'fail']
  const killed = await startOneGateway(upstream.url, flags)
  expect((await post(killed.url, 'memory-done')).text).toBe('{"run":1}')
  const cut = broken(post(killed.url, 'memory-cut', held))
  await hasRun('memory-cut')
  await killed.kill()
  await cut
  const anew = await startOneGateway(upstream.url, flags)
  onTestFinished(anew.stop)
  for (const key of ['memory-done', 'memory-cut']) {
    const retry = await post(anew.url, key)
    expect([retry.headers['retrysafe-outcome'], retry.text]).toEqual(['executed', '{"run":2}'])
  }
})
