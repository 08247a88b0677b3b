import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStore, startGateway, takeoverLease } from '../support/gateway.ts'
import { openRaw, type RawClient } from '../support/raw-client.ts'
import { recordOf, resolveFree, stateOf, waitForLapse } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)

/** Silent after five chunks, or before its answer, but only for the first call of a key: the retry is served. */
const stalls = { stream: 'hang, cut-after=5, times=1', plain: 'hang, times=1' }
const within = { timeout: 10_000, interval: 10 }
const goOn = 'HTTP/1.1 100 Continue\r\n\r\n'
const unknown = { status: 424, code: 'OUTCOME_UNKNOWN', shouldRetry: 'false' }
const chatBody = JSON.stringify(streamedChat('one two three four'))

function charge(gateway: Gateway, key: string, fault = ''): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}' })
}

/** The stream's bytes as they are. */
function streamBytes(gateway: Gateway, key: string): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json', 'Idempotency-Key': key }
  return ask(`${gateway.url}/v1/chat/completions`, { headers, body: chatBody })
}

async function openStream(gateway: Gateway, key: string, fault: string) {
  const stream = await openAi(gateway.url).chat.completions.create(
    streamedChat('one two three four'),
    keyed(key, fault),
  )
  return stream[Symbol.asyncIterator]()
}

async function readStream(gateway: Gateway, key: string, fault: string): Promise<string> {
  return takeAll(await openStream(gateway, key, fault))
}

/** A request whose body is half in: the gateway has asked for it, so it has the head. */
async function uploadHalf(gateway: Gateway, key: string): Promise<RawClient> {
  const client = await openRaw(gateway.url)
  const lines = ['POST /effects/charge HTTP/1.1', 'Host: gateway', 'Authorization: Bearer sk-test']
  lines.push(`Idempotency-Key: ${key}`, 'Expect: 100-continue', 'Content-Length: 12', '', '')
  client.socket.write(lines.join('\r\n'))
  await vi.waitFor(() => expect(client.text()).toBe(goOn), within)
  client.socket.write('{"amou')
  return client
}

/** Each kind of call once for either successor. */
const successors = ['another-gateway', 'the-gateway-started-again'] as const

describe.each(['rerun', 'fail'] as const)('a gateway is killed (-9) under --on-crash %s', policy => {
  const answered = new Map<string, Answer>()
  const gateways: Partial<Record<(typeof successors)[number], Gateway>> = {}

  beforeAll(async () => {
    await sandbox.meter.reset()
    const flags = [...(await makeStore()), '--on-crash', policy, '--lease', takeoverLease]
    const [killed, other] = await Promise.all([startGateway(sandbox.url, flags), startGateway(sandbox.url, flags)])
    const broken: Promise<unknown>[] = []
    for (const successor of successors) {
      answered.set(`plain-done-${successor}`, await charge(killed, `plain-done-${successor}`))
      answered.set(`stream-done-${successor}`, await streamBytes(killed, `stream-done-${successor}`))
      const stream = await openStream(killed, `stream-cut-${successor}`, stalls.stream)
      expect(await take(stream, 5)).toMatch(/^Run \d+: you said: $/)
      broken.push(expect(takeAll(stream)).rejects.toThrow())
      broken.push(expect(charge(killed, `plain-cut-${successor}`, stalls.plain)).rejects.toThrow())
      await vi.waitFor(async () => expect(await sandbox.meter.runs(`plain-cut-${successor}`)).toBe(1), within)
      const upload = await uploadHalf(killed, `half-${successor}`)
      broken.push(upload.ended.then(() => expect(upload.text()).toBe(goOn)))
    }
    await killed.kill()
    await Promise.all(broken)
    await waitForLapse(other.admin)
    gateways['another-gateway'] = other
    gateways['the-gateway-started-again'] = await startGateway(sandbox.url, flags)
  })
  afterAll(async () => {
    for (const gateway of Object.values(gateways)) await gateway.stop()
  })

  function successorNamed(successor: (typeof successors)[number]): Gateway {
    const gateway = gateways[successor]
    if (gateway === undefined) throw new Error(`${successor} does not run`)
    return gateway
  }

  describe.each(successors)('and the retry goes to %s', successor => {
    test('while its request came in: the retry runs, 1 run', async () => {
      const gateway = successorNamed(successor)
      expect(await stateOf(gateway.admin, `half-${successor}`)).toBe('absent')
      const retry = await charge(gateway, `half-${successor}`)
      expect([retry.status, retry.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
      expect(await sandbox.meter.runs(`half-${successor}`)).toBe(1)
    })

    test.each(['plain', 'stream'] as const)('after a %s answer was whole: the same bytes, 1 run', async kind => {
      const key = `${kind}-done-${successor}`
      const gateway = successorNamed(successor)
      const first = answered.get(key)
      const retry = kind === 'plain' ? await charge(gateway, key) : await streamBytes(gateway, key)
      expect(first?.headers['retrysafe-outcome']).toBe('executed')
      expect([retry.status, retry.headers['retrysafe-outcome']]).toEqual([200, 'replayed'])
      expect(retry.body.equals(first?.body ?? Buffer.alloc(0))).toBe(true)
      expect(retry.body.byteLength).toBeGreaterThan(20)
      expect(await sandbox.meter.runs(key)).toBe(1)
    })

    if (policy === 'rerun') {
      test('in mid-call: the retry runs at once, 2 runs', async () => {
        const key = `plain-cut-${successor}`
        const retry = await charge(successorNamed(successor), key, stalls.plain)
        expect([retry.status, retry.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
        expect(await sandbox.meter.runs(key)).toBe(2)
        expect((await recordOf(successorNamed(successor).admin, key))?.attempt).toBe(2)
      })

      test('in mid-stream: the retry runs at once and whole, 2 runs', async () => {
        const key = `stream-cut-${successor}`
        const text = await readStream(successorNamed(successor), key, stalls.stream)
        expect(text).toMatch(/^Run \d+: you said: one two three four$/)
        expect(await sandbox.meter.runs(key)).toBe(2)
        expect(await readStream(successorNamed(successor), key, stalls.stream)).toBe(text)
        expect(await sandbox.meter.runs(key)).toBe(2)
      })
    } else {
      test('in mid-call: 424, listed as unknown, 1 run; resolved, it runs again', async () => {
        const key = `plain-cut-${successor}`
        const gateway = successorNamed(successor)
        expect(problemOf(await charge(gateway, key, stalls.plain))).toEqual(unknown)
        expect(problemOf(await charge(gateway, key, stalls.plain))).toEqual(unknown)
        expect(await (await fetch(`${gateway.admin}/api/v1/unknown`)).text()).toContain(`"key":"${key}"`)
        expect(await sandbox.meter.runs(key)).toBe(1)

        await resolveFree(gateway.admin, key)
        const resolved = await charge(gateway, key, stalls.plain)
        expect([resolved.status, resolved.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
        expect(await sandbox.meter.runs(key)).toBe(2)
      })

      test('in mid-stream: 424 to the SDK, listed as unknown, 1 run; resolved, it runs again', async () => {
        const key = `stream-cut-${successor}`
        const gateway = successorNamed(successor)
        const retry = readStream(gateway, key, stalls.stream)
        await expect(retry).rejects.toMatchObject({ status: 424, code: 'OUTCOME_UNKNOWN' })
        expect(await (await fetch(`${gateway.admin}/api/v1/unknown`)).text()).toContain(`"key":"${key}"`)
        expect(await sandbox.meter.runs(key)).toBe(1)

        await resolveFree(gateway.admin, key)
        expect(await readStream(gateway, key, stalls.stream)).toMatch(/^Run \d+: you said: one two three four$/)
        expect(await sandbox.meter.runs(key)).toBe(2)
      })
    }
  })
})
