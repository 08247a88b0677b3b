import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStoreFolder, startOneGateway, storeIn } from '../support/gateway.ts'
import { listRecords } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'
import { startUpstream } from '../support/upstream.ts'

const words = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ')
const credential = { Authorization: 'Bearer sk-test' }

async function statusOf(url: string): Promise<number> {
  return (await ask(url, { method: 'GET' })).status
}

async function start(upstream: string, ...flags: string[]): Promise<Gateway> {
  const gateway = await startOneGateway(upstream, flags)
  onTestFinished(gateway.stop)
  expect(await statusOf(`${gateway.url}/_retrysafe/readyz`)).toBe(200)
  return gateway
}

/** An upstream that holds every answer back until it is released. */
async function startHeldUpstream() {
  const held: (() => void)[] = []
  const left: string[] = []
  const upstream = await startUpstream(response => {
    response.once('close', () => left.push(response.writableFinished ? 'answered' : 'cut off'))
    held.push(() => response.end('{"done":true}'))
  })
  onTestFinished(upstream.stop)
  const release = (): void => {
    for (const answer of held) answer()
  }
  return { ...upstream, left, release }
}

describe('SIGTERM', () => {
  test('refuses new requests, lets the running stream end whole, and exits with 0', async () => {
    const sandbox = await startSandbox()
    onTestFinished(sandbox.stop)
    const gateway = await start(sandbox.url)
    const client = openAi(gateway.url)
    const stream = await client.chat.completions.create(streamedChat(words), keyed('draining', 'gap=30ms'))
    const chunks = stream[Symbol.asyncIterator]()
    const beginning = await take(chunks, 3)
    let isOver = false
    const rest = takeAll(chunks).finally(() => {
      isOver = true
    })

    gateway.terminate()
    await eventually(() => statusOf(`${gateway.url}/_retrysafe/readyz`)).toBe(503)
    expect(await statusOf(`${gateway.admin}/readyz`)).toBe(503)
    expect(await statusOf(`${gateway.url}/_retrysafe/livez`)).toBe(200)
    const headers = { ...credential, 'Idempotency-Key': 'too-late' }
    const refused = await ask(`${gateway.url}/effects/charge`, { headers, body: '{}' })
    expect(problemOf(refused)).toEqual({ status: 503, code: 'DRAINING', shouldRetry: 'true' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await ask(`${gateway.url}/effects/charge`, { headers: credential, body: '{}' })).status).toBe(503)
    expect(isOver).toBe(false)

    expect(beginning + (await rest)).toBe(`Run 1: you said: ${words}`)
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
    expect(await sandbox.meter.all()).toMatchObject({ received: 1, runs: 1 })
  })

  test('says what became of a keyed request that it refuses', async () => {
    const upstream = await startHeldUpstream()
    const gateway = await start(upstream.url)
    const running = ask(`${gateway.url}/effects/charge`, { headers: { ...credential, 'Idempotency-Key': 'a' } })
    await eventually(() => upstream.received.length).toBe(1)
    gateway.terminate()
    await eventually(() => statusOf(`${gateway.url}/_retrysafe/readyz`)).toBe(503)
    const refused = await ask(`${gateway.url}/effects/charge`, { headers: { ...credential, 'Idempotency-Key': 'b' } })
    upstream.release()
    await running
    expect(refused.headers['retrysafe-outcome']).toBe('refused')
    expect(refused.headers['retrysafe-key']).toBe('b')
  })

  test('finishes the call of a client that has left before it exits', async () => {
    const upstream = await startHeldUpstream()
    const gateway = await start(upstream.url)
    const leave = new AbortController()
    const headers = { ...credential, 'Idempotency-Key': 'left' }
    const left = ask(`${gateway.url}/effects/charge`, { headers, body: '{}', signal: leave.signal })
    await eventually(() => upstream.received.length).toBe(1)
    leave.abort()
    await expect(left).rejects.toThrow()

    gateway.terminate()
    await eventually(() => statusOf(`${gateway.url}/_retrysafe/readyz`)).toBe(503)
    // Nothing but the detached run keeps it alive now.
    expect(upstream.left).toEqual([])
    upstream.release()
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
    expect(upstream.left).toEqual(['answered'])
  })

  test('a keyless call is waited for, too', async () => {
    const upstream = await startHeldUpstream()
    const gateway = await start(upstream.url)
    const answer = ask(`${gateway.url}/anything`, { body: '{}' })
    await eventually(() => upstream.received.length).toBe(1)
    gateway.terminate()
    await eventually(() => statusOf(`${gateway.url}/_retrysafe/readyz`)).toBe(503)
    upstream.release()
    expect((await answer).text).toBe('{"done":true}')
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
  })

  test('a client that leaves while it drains leaves its call to its retry, at another gateway', async () => {
    const upstream = await startHeldUpstream()
    const store = storeIn(makeStoreFolder())
    const [gateway, other] = [await start(upstream.url, ...store), await start(upstream.url, ...store)]
    const attempt = (at: Gateway, count: string, signal?: AbortSignal): Promise<Answer> => {
      const headers = { ...credential, 'X-Stainless-Retry-Count': count }
      return ask(`${at.url}/effects/charge`, { headers, body: '{}', ...(signal && { signal }) })
    }
    const leave = new AbortController()
    const left = attempt(gateway, '0', leave.signal)
    await eventually(() => upstream.received.length).toBe(1)
    gateway.terminate()
    await eventually(() => statusOf(`${gateway.url}/_retrysafe/readyz`)).toBe(503)
    leave.abort()
    await expect(left).rejects.toThrow()
    await eventually(async () => (await listRecords(other.admin, '?state=running')).length).toBe(1)
    upstream.release()
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
    const retry = await attempt(other, '1')
    expect([retry.text, retry.headers['retrysafe-outcome']]).toEqual(['{"done":true}', 'replayed'])
    expect(upstream.left).toEqual(['answered'])
  })

  test('with nothing to do it exits at once, idle connections or not', async () => {
    const upstream = await startUpstream(response => response.end('{}'))
    onTestFinished(upstream.stop)
    const gateway = await start(upstream.url)
    const kept = await fetch(`${gateway.url}/anything`, { method: 'POST', body: '{}' })
    expect(await kept.text()).toBe('{}')
    gateway.terminate()
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
  })
})

test('a second SIGTERM ends at once, with exit 1', async () => {
  const upstream = await startHeldUpstream()
  const gateway = await start(upstream.url)
  const headers = { ...credential, 'Idempotency-Key': 'hurried' }
  const broken = expect(ask(`${gateway.url}/effects/charge`, { headers, body: '{}' })).rejects.toThrow()
  await eventually(() => upstream.received.length).toBe(1)
  gateway.terminate()
  await eventually(() => statusOf(`${gateway.url}/_retrysafe/readyz`)).toBe(503)
  gateway.terminate()
  expect(await gateway.exited).toEqual({ code: 1, signal: null })
  await broken
})

test('a drain that takes longer than --drain ends with exit 1', async () => {
  const upstream = await startHeldUpstream()
  const gateway = await start(upstream.url, '--drain', '200ms')
  const headers = { ...credential, 'Idempotency-Key': 'slow' }
  const broken = expect(ask(`${gateway.url}/effects/charge`, { headers, body: '{}' })).rejects.toThrow()
  await eventually(() => upstream.received.length).toBe(1)
  gateway.terminate()
  expect(await gateway.exited).toEqual({ code: 1, signal: null })
  expect(gateway.stderr()).toContain('--drain')
  await broken
})
