import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openStoreBehindLines, storeTimeoutMs } from '../support/distant-store.ts'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStoreFolder, startGateway, storeIn } from '../support/gateway.ts'
import { peakMemoryBytes } from '../support/process-figures.ts'
import { recordOf, stateOf } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)
const { open } = await openStoreBehindLines()

const openly = ['--on-store-error', 'open']
const unavailable = { status: 503, code: 'STORE_UNAVAILABLE', shouldRetry: 'true' }

function charge(gateway: Gateway, key: string, fault = '', body = '{"amount":5}'): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault }
  return ask(`${gateway.url}/effects/charge`, { headers, body })
}

function outcomeOf(answer: Answer): unknown {
  return answer.headers['retrysafe-outcome']
}

function linesOf(gateway: Gateway): string[] {
  return gateway
    .stderr()
    .split('\n')
    .filter(line => line.includes('the store is'))
}

async function readyOf(gateway: Gateway): Promise<number> {
  return (await ask(`${gateway.url}/_retrysafe/readyz`, { method: 'GET' })).status
}

/** An upstream that answers with the key and the body that it got, and counts. */
async function startMirror(): Promise<{ readonly url: string; count(): number }> {
  let count = 0
  const server = createServer((request, response) => {
    count++
    response.setHeader('x-key', request.headers['idempotency-key'] ?? '')
    request.pipe(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => count }
}

test('requests are passed through as if without a key, counted in two lines, and protected again when it is back', async () => {
  const store = await open()
  const gateway = await store.serve(sandbox.url, openly)
  expect(outcomeOf(await charge(gateway, 'before'))).toBe('executed')
  store.cutOff()
  const first = await charge(gateway, 'during')
  expect([first.status, outcomeOf(first), first.headers['retrysafe-key']]).toEqual([200, 'bypassed', 'during'])
  expect(first.headers['idempotent-replayed']).toBeUndefined()
  const more = await Promise.all(Array.from({ length: 20 }, () => charge(gateway, 'during')))
  expect(more.map(outcomeOf)).toEqual(Array(20).fill('bypassed'))
  expect(outcomeOf(await charge(gateway, 'before'))).toBe('bypassed')
  expect([await sandbox.meter.runs('during'), await sandbox.meter.runs('before')]).toEqual([21, 2])
  expect(await readyOf(gateway)).toBe(200)

  await store.restore()
  await eventually(() => linesOf(gateway)).toHaveLength(2)
  const [begin, end] = linesOf(gateway)
  expect(begin).toMatch(
    /^retrysafe: the store is out of reach: requests with a key are passed through, without protection, until it is back \(--on-store-error open\): /,
  )
  expect(end).toMatch(/^retrysafe: the store is back after \d+\.\d s; .*: 22 passed through, 0 refused$/)
  expect(outcomeOf(await charge(gateway, 'before'))).toBe('replayed')
  expect(outcomeOf(await charge(gateway, 'during'))).toBe('executed')
  expect(outcomeOf(await charge(gateway, 'during'))).toBe('replayed')
})

describe('the key, the body and the answer go through byte for byte', () => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 256))

  test.each([
    ['with a length', false, bytes],
    ['in chunks', true, bytes],
    ['short', false, bytes.subarray(0, 10)],
    ['short, in chunks', true, bytes.subarray(0, 10)],
    ['empty', false, Buffer.alloc(0)],
    ['empty, in chunks', true, Buffer.alloc(0)],
  ])('%s', async (_, isChunked, body) => {
    const upstream = await startMirror()
    const store = await open()
    const gateway = await store.serve(upstream.url, openly)
    store.cutOff()
    const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': '"a-key"' }
    const framed = isChunked ? { ...headers, 'Transfer-Encoding': 'chunked' } : headers
    // The first one is claimed in vain, with its body taken in; those after it are not claimed, nor their bodies kept.
    for (const count of [1, 2, 3]) {
      const answer = await ask(`${gateway.url}/mirror`, { headers: framed, body })
      expect([answer.status, outcomeOf(answer), answer.headers['x-key']]).toEqual([200, 'bypassed', '"a-key"'])
      expect(answer.body.equals(body)).toBe(true)
      expect(upstream.count()).toBe(count)
    }
  })

  test('a body over --max-request, too, once the store is known to be gone', async () => {
    const upstream = await startMirror()
    const store = await open()
    const gateway = await store.serve(upstream.url, [...openly, '--max-request', '100kb'])
    const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'large' }
    expect((await ask(`${gateway.url}/mirror`, { headers, body: bytes })).status).toBe(413)
    store.cutOff()
    await ask(`${gateway.url}/mirror`, { headers, body: 'small' })
    await eventually(async () => (await ask(`${gateway.url}/mirror`, { headers, body: bytes })).status).toBe(200)
  })
})

test('under --key-reuse fork the upstream still gets the key of each payload', async () => {
  const upstream = await startMirror()
  const store = await open()
  const gateway = await store.serve(upstream.url, [...openly, '--key-reuse', 'fork'])
  const keyOf = async (body: string): Promise<unknown[]> => {
    const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'loop' }
    const answer = await ask(`${gateway.url}/mirror`, { headers, body })
    return [outcomeOf(answer), answer.headers['x-key']]
  }
  await keyOf('{"step":1}')
  const [, first] = await keyOf('{"step":2}')
  store.cutOff()
  // The first one is claimed in vain, those after it are not.
  for (const _ of [1, 2]) {
    const [outcome, again] = await keyOf('{"step":2}')
    const [, other] = await keyOf('{"step":3}')
    expect(outcome).toBe('bypassed')
    expect(again).toBe(first)
    expect(other).toMatch(/^[\w-]{43}$/)
    expect(other).not.toBe(again)
  }
})

test.each([
  ['with a key', true],
  ['without one, under --keyless fingerprint', false],
])('a store that is silent: one request waits for its time-out, those after it do not, %s', async (_, isKeyed) => {
  const store = await open()
  const gateway = await store.serve(sandbox.url, [...openly, '--keyless', 'fingerprint'])
  const outcome = async (name: string): Promise<unknown> => {
    const headers = { Authorization: 'Bearer sk-test', ...(isKeyed && { 'Idempotency-Key': name }) }
    return outcomeOf(await ask(`${gateway.url}/effects/charge`, { headers, body: JSON.stringify({ name }) }))
  }
  store.line.stall()
  expect(await outcome('silent')).toBe('bypassed')
  // Who claims waits for two time-outs.
  await eventually(async () => {
    const startedMs = performance.now()
    expect(await outcome('silent-too')).toBe('bypassed')
    return performance.now() - startedMs
  }).toBeLessThan(storeTimeoutMs)
  store.line.resume()
  await eventually(() => linesOf(gateway)).toHaveLength(2)
  expect(await outcome('silent')).toBe('executed')
})

test('what a store says that is there holds: another payload, a bad key, a missing credential', async () => {
  const store = await open()
  const gateway = await store.serve(sandbox.url, openly)
  await charge(gateway, 'used')
  expect(problemOf(await charge(gateway, 'used', '', '{"amount":6}'))).toMatchObject({
    status: 422,
    code: 'KEY_REUSED',
  })
  store.cutOff()
  expect(problemOf(await charge(gateway, 'no good,'))).toMatchObject({ status: 400, code: 'KEY_INVALID' })
  expect(await sandbox.meter.all()).toMatchObject({ received: 1 })
})

test('a store that is full is there: refused, not passed through', async () => {
  const gateway = await startGateway(sandbox.url, ['--store', 'memory:?max-entries=1', ...openly])
  onTestFinished(gateway.stop)
  expect(outcomeOf(await charge(gateway, 'kept'))).toBe('executed')
  expect(problemOf(await charge(gateway, 'no-room'))).toMatchObject({ status: 503, code: 'STORE_FULL' })
  expect(await sandbox.meter.runs('no-room')).toBe(0)
})

test('a folder that is deleted is a store that is gone', async () => {
  const folder = makeStoreFolder()
  const gateway = await startGateway(sandbox.url, [...storeIn(folder), ...openly])
  onTestFinished(gateway.stop)
  expect(outcomeOf(await charge(gateway, 'kept'))).toBe('executed')
  rmSync(folder, { recursive: true })
  await eventually(async () => outcomeOf(await charge(gateway, 'kept'))).toBe('bypassed')
})

describe('a run that is known of is not run again', () => {
  test('of this process, whose outcome the store does not have: 503 until it has', async () => {
    const store = await open()
    const gateway = await store.serve(sandbox.url, openly)
    const fault = 'delay=1s, times=1'
    const first = charge(gateway, 'held', fault)
    await eventually(() => sandbox.meter.runs('held')).toBe(1)
    store.cutOff()
    expect(problemOf(await charge(gateway, 'held', fault))).toEqual(unavailable)
    expect(outcomeOf(await charge(gateway, 'another'))).toBe('bypassed')
    expect(problemOf(await charge(gateway, 'held', fault))).toEqual(unavailable)
    const answer = await first
    expect([answer.status, outcomeOf(answer)]).toEqual([200, 'executed'])
    // It is over, and still only here.
    expect(problemOf(await charge(gateway, 'held', fault))).toEqual(unavailable)
    await store.restore()
    await eventually(async () => (await charge(gateway, 'held', fault)).text).toBe(answer.text)
    expect(await sandbox.meter.runs('held')).toBe(1)
    await eventually(() => linesOf(gateway)[1]).toMatch(/1 passed through, \d+ refused$/)
  })

  test('of another process, which the store has told a waiter of: 503 for all who wait', async () => {
    const store = await open()
    const runner = await store.serve(sandbox.url, openly, 'direct')
    const gateway = await store.serve(sandbox.url, [...openly, '--max-waiters', '10'])
    const fault = 'delay=6s, times=1'
    const first = charge(runner, 'waited', fault)
    await eventually(() => sandbox.meter.runs('waited')).toBe(1)
    // One who finds no place comes again: an eleventh, who asks whether all ten are taken, may have had it meanwhile.
    const wait = async (): Promise<Answer> => {
      const answer = await charge(gateway, 'waited', fault)
      return answer.status === 409 ? wait() : answer
    }
    const waiters = Array.from({ length: 10 }, wait)
    const briefly = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'waited', 'Retrysafe-Wait': '0.05' }
    const asked = { headers: briefly, body: '{"amount":5}' }
    await eventually(async () => (await ask(`${gateway.url}/effects/charge`, asked)).text).toContain(
      'as many requests wait for it as may',
    )
    store.cutOff()
    const told = await Promise.all(waiters)
    expect(told.map(problemOf)).toEqual(Array(10).fill(unavailable))
    expect((await first).status).toBe(200)
    expect(await sandbox.meter.runs('waited')).toBe(1)
  })
})

test('a claim that was made, and no answer came: passed through, and its key is free when the store is back', async () => {
  const store = await open()
  const flags = [...openly, '--lease', '1h', '--max-attempts', '1']
  const gateway = await store.serve(sandbox.url, flags)
  const other = await store.serve(sandbox.url, flags, 'direct')
  store.line.stall('server')
  expect(outcomeOf(await charge(gateway, 'made'))).toBe('bypassed')
  expect(await recordOf(other.admin, 'made')).toMatchObject({ state: 'running', attempt: 1 })
  store.line.resume()
  await eventually(() => stateOf(other.admin, 'made')).toBe('absent')
  expect(outcomeOf(await charge(other, 'made'))).toBe('executed')
  expect(await sandbox.meter.runs('made')).toBe(2)
})

test('a stream is passed through as it comes', async () => {
  const store = await open()
  const gateway = await store.serve(sandbox.url, openly)
  store.cutOff()
  const words = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ')
  const client = openAi(gateway.url)
  const { data, response } = await client.chat.completions
    .create(streamedChat(words), keyed('stream', 'gap=20ms'))
    .withResponse()
  expect(response.headers.get('retrysafe-outcome')).toBe('bypassed')
  const chunks = data[Symbol.asyncIterator]()
  const beginning = await take(chunks, 3)
  expect(beginning + (await takeAll(chunks))).toBe(`Run 1: you said: ${words}`)
})

test('memory does not grow with the requests that are passed through', async () => {
  const store = await open()
  const gateway = await store.serve(sandbox.url, openly)
  store.cutOff()
  const body = JSON.stringify({ text: 'x'.repeat(1_000_000) })
  const passMany = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) expect(outcomeOf(await charge(gateway, `many-${at}`, '', body))).toBe('bypassed')
  }
  await passMany(50)
  const beforeBytes = peakMemoryBytes(gateway.pid)
  await passMany(150)
  expect(peakMemoryBytes(gateway.pid) - beforeBytes).toBeLessThan(100_000_000)
})
