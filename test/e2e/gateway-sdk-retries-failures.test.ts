import type { ServerResponse } from 'node:http'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { openStoreBehindLines } from '../support/distant-store.ts'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask } from '../support/exchange.ts'
import { type Gateway, makeStoreFolder, startOneGateway, storeIn } from '../support/gateway.ts'
import { openRaw, rawPost } from '../support/raw-client.ts'
import { listRecords } from '../support/records.ts'
import { type Answerer, startUpstream } from '../support/upstream.ts'

let held: ServerResponse[] = []
const hold: Answerer = (response, request) => {
  if (request.headers['idempotency-key'] === undefined) held.push(response)
  else response.end('{}')
}
const upstream = await startUpstream(hold)
afterAll(upstream.stop)
beforeEach(() => {
  held = []
})
const { open } = await openStoreBehindLines()

/** The attempt that an SDK makes after `count` others of the same call. */
function attempt(gateway: Gateway, count: number, signal?: AbortSignal): Promise<Answer> {
  const headers = {
    Authorization: 'Bearer sk-test',
    'Content-Type': 'application/json',
    'X-Stainless-Retry-Count': String(count),
  }
  const answer = ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}', ...(signal && { signal }) })
  answer.catch(() => {})
  return answer
}

/** An attempt that leaves once the upstream has it. */
async function leftAttempt(gateway: Gateway): Promise<void> {
  const leave = new AbortController()
  const left = attempt(gateway, 0, leave.signal)
  await eventually(() => held.length).toBe(1)
  leave.abort()
  await expect(left).rejects.toThrow()
}

async function startPair(): Promise<[Gateway, Gateway]> {
  const store = storeIn(makeStoreFolder())
  const pair = await Promise.all([startOneGateway(upstream.url, store), startOneGateway(upstream.url, store)])
  for (const gateway of pair) onTestFinished(gateway.stop)
  return pair
}

/** The offer is written behind the claim: once a later call of that gateway is recorded, it is there. */
async function untilOffered(gateway: Gateway): Promise<void> {
  await eventually(() => runningIn(gateway)).toBe(1)
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'later' }
  expect((await ask(`${gateway.url}/effects/later`, { headers, body: '{}' })).status).toBe(200)
}

async function runningIn(gateway: Gateway): Promise<number> {
  return (await listRecords(gateway.admin, '?state=running')).length
}

test('a gateway dies with what its client left: the retry takes the run over, and it is counted', async () => {
  const [killed, other] = await startPair()
  await leftAttempt(killed)
  await untilOffered(killed)
  await killed.kill()
  const retry = attempt(other, 1)
  await eventually(() => held.length).toBe(2)
  held[1]?.setHeader('Content-Type', 'application/json').end('{"run":2}')
  const { text, headers } = await retry
  expect(text).toBe('{"run":2}')
  expect(headers['retrysafe-outcome']).toBe('executed')
  expect(headers['retrysafe-key']).toMatch(/^sdk-[\w-]{22}$/)
  const attempts = (await listRecords(other.admin)).map(record => record.attempt)
  expect(attempts.sort()).toEqual([1, 2])
})

test('a gateway dies with the retry that had taken it: the next retry runs anew, at once', async () => {
  const [owner, killed] = await startPair()
  await leftAttempt(owner)
  await untilOffered(owner)
  const taker = attempt(killed, 1)
  // Of two, one takes it and the other runs anew: once that is seen, nothing is offered any more.
  const other = attempt(killed, 1)
  await eventually(() => held.length).toBe(2)
  await killed.kill()
  await expect(taker).rejects.toThrow()
  await expect(other).rejects.toThrow()
  const retry = attempt(owner, 2)
  await eventually(() => held.length).toBe(3)
  held[2]?.setHeader('Content-Type', 'application/json').end('{"run":3}')
  expect((await retry).text).toBe('{"run":3}')
})

test('a store out of reach: calls pass as they are, retries too, and one that is left is stopped', async () => {
  const store = await open()
  const gateway = await store.serve(upstream.url)
  store.cutOff()
  const first = attempt(gateway, 0)
  await eventually(() => held.length).toBe(1)
  held[0]?.end('first')
  expect((await first).text).toBe('first')
  const retry = attempt(gateway, 1)
  await eventually(() => held.length).toBe(2)
  held[1]?.end('second')
  expect((await retry).text).toBe('second')
  expect((await retry).headers['retrysafe-outcome']).toBeUndefined()

  held = []
  const leave = new AbortController()
  const left = attempt(gateway, 0, leave.signal)
  await eventually(() => held.length).toBe(1)
  const stopped = new Promise(resolve => held[0]?.once('close', resolve))
  leave.abort()
  await expect(left).rejects.toThrow()
  await stopped

  await store.restore()
  held = []
  await eventually(async () => (await ask(`${gateway.url}/_retrysafe/readyz`, { method: 'GET' })).status).toBe(200)
  await leftAttempt(gateway)
  await eventually(() => runningIn(gateway)).toBe(1)
  const found = attempt(gateway, 1)
  held[0]?.setHeader('Content-Type', 'application/json').end('{"found":true}')
  expect((await found).text).toBe('{"found":true}')
  expect(held).toHaveLength(1)
})

test('--upstream-retries: what was left is run again by the gateway when it fails, and its retry gets that', async () => {
  const gateway = await startOneGateway(upstream.url, ['--upstream-retries', '1'])
  onTestFinished(gateway.stop)
  await leftAttempt(gateway)
  await eventually(() => runningIn(gateway)).toBe(1)
  const retry = attempt(gateway, 1)
  held[0]?.writeHead(500, { 'Content-Type': 'application/json' }).end('{}')
  await eventually(() => held.length).toBe(2)
  held[1]?.setHeader('Content-Type', 'application/json').end('{"run":2}')
  expect((await retry).text).toBe('{"run":2}')
  await eventually(() => runningIn(gateway)).toBe(0)
  expect(held).toHaveLength(2)
})

test('bodies that are announced and do not come take the room of others: that is told, and is over when they go', async () => {
  const gateway = await startOneGateway(upstream.url)
  onTestFinished(gateway.stop)
  upstream.answerWith(response => response.end('{}'))
  onTestFinished(() => upstream.answerWith(hold))
  const headers = { Authorization: 'Bearer sk-slow', 'X-Stainless-Retry-Count': '0', 'Content-Length': '33554432' }
  const slow = await Promise.all(Array.from({ length: 8 }, () => openRaw(gateway.url)))
  for (const { socket } of slow) socket.write(rawPost('/effects/charge', headers))
  await eventually(async () => {
    expect((await attempt(gateway, 0)).text).toBe('{}')
    return gateway.stderr()
  }).toContain('request(s) without a key are not protected (--keyless sdk-retries): 256 MiB of bodies are held already')
  for (const { socket } of slow) socket.destroy()
  upstream.answerWith(hold)
  await eventually(async () => {
    held = []
    await leftAttempt(gateway)
    return runningIn(gateway)
  }).toBeGreaterThan(0)
})
