import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { startGateway, startOneGateway } from '../support/gateway.ts'
import { peakMemoryBytes } from '../support/process-figures.ts'
import { openRaw } from '../support/raw-client.ts'
import { recordOf } from '../support/records.ts'
import { chat, countingFetch, keyed, openAi, streamedChat, takeAll } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage('--max-request', '64kb', '--max-result', '4kb')
const client = openAi(gateway.url)
const longText = 'word '.repeat(2_000).trim()

describe('a request body over --max-request', () => {
  function charge(bytes: number, headers: Record<string, string>, url = gateway.url): Promise<Answer> {
    const all = { Authorization: 'Bearer sk-test', ...headers }
    return ask(`${url}/effects/charge`, { headers: all, body: 'x'.repeat(bytes) })
  }
  const chunked = { 'Transfer-Encoding': 'chunked' }
  const tooLarge = { status: 413, code: 'BODY_TOO_LARGE', shouldRetry: 'false' }

  test('control: the provider itself takes it', async () => {
    expect((await charge(8_000_000, { 'Idempotency-Key': 'large' }, sandbox.url)).status).toBe(200)
    expect((await sandbox.meter.all()).received).toBe(1)
  })

  test.each([
    ['a little, announced', 65_537, {}],
    ['a little, in chunks', 65_537, chunked],
    ['by far, announced', 8_000_000, {}],
    ['by far, in chunks', 8_000_000, chunked],
  ])('%s: is refused, the client can read why, and nothing goes upstream', async (_, bytes, headers) => {
    // A connection closed on unread bytes is reset, and the answer may be lost with it: not every time.
    for (let call = 0; call < 12; call++) {
      const refused = await charge(bytes, { 'Idempotency-Key': 'large', ...headers })
      expect(problemOf(refused)).toEqual(tooLarge)
      expect(jsonOf(refused)).toMatchObject({ detail: expect.stringContaining('> 65536 (--max-request)') })
      expect(refused.headers['retrysafe-outcome']).toBe('refused')
    }
    expect((await sandbox.meter.all()).received).toBe(0)
    expect(await recordOf(gateway.admin, 'large')).toBeUndefined()
  })

  test('the SDK reads it, too, and does not try again', async () => {
    const wire = countingFetch()
    const tries = openAi(gateway.url, { maxRetries: 2, fetch: wire.fetch })
    for (let call = 1; call <= 12; call++) {
      const refused = tries.chat.completions.create(chat('x'.repeat(8_000_000)), keyed('large-sdk'))
      await expect(refused).rejects.toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' })
      expect(wire.count()).toBe(call)
    }
    expect((await sandbox.meter.all()).received).toBe(0)
  })

  test('in chunks of one byte: memory grows by the body, not by what each chunk costs', async () => {
    const own = await startOneGateway(sandbox.url)
    onTestFinished(own.stop)
    const beforeBytes = peakMemoryBytes(own.pid)
    const chunks = await openRaw(own.url)
    const head = ['POST /effects/charge HTTP/1.1', 'Host: gateway', 'Idempotency-Key: crumbs', 'Connection: close']
    chunks.socket.write(`${head.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n`)
    chunks.socket.write(`${'1\r\nx\r\n'.repeat(1_000_000)}0\r\n\r\n`)
    await chunks.ended
    expect(chunks.text()).toMatch(/^HTTP\/1\.1 200 /)
    expect(peakMemoryBytes(own.pid) - beforeBytes).toBeLessThan(120_000_000)
  }, 30_000)

  test('just at the limit is taken', async () => {
    expect((await charge(65_536, { 'Idempotency-Key': 'at-limit' })).status).toBe(200)
    expect((await charge(65_536, { 'Idempotency-Key': 'at-limit', ...chunked })).headers['retrysafe-outcome']).toBe(
      'replayed',
    )
    expect(await sandbox.meter.runs('at-limit')).toBe(1)
  })

  test('without a key there is no such limit', async () => {
    expect((await charge(8_000_000, {})).status).toBe(200)
    expect((await charge(8_000_000, chunked)).status).toBe(200)
    expect((await sandbox.meter.all()).runs).toBe(2)
  })
})

describe('an answer over --max-result', () => {
  const notKept = { status: 424, code: 'RESULT_NOT_KEPT' }
  const whole = `Run 1: you said: ${longText}`

  test('plain: its caller gets the whole, retries are told that it ran, and it runs once', async () => {
    const first = await client.chat.completions.create(chat(longText), keyed('long')).withResponse()
    expect(first.data.choices[0]?.message.content).toBe(whole)
    expect(first.response.headers.get('retrysafe-outcome')).toBe('executed')
    for (let retry = 0; retry < 2; retry++) {
      await expect(client.chat.completions.create(chat(longText), keyed('long'))).rejects.toMatchObject(notKept)
    }
    expect((await recordOf(gateway.admin, 'long'))?.state).toBe('completed')
    expect(await sandbox.meter.runs('long')).toBe(1)
  })

  test('stream: the same', async () => {
    const stream = await client.chat.completions.create(streamedChat(longText), keyed('long-stream'))
    expect(await takeAll(stream[Symbol.asyncIterator]())).toBe(whole)
    for (let retry = 0; retry < 2; retry++) {
      const again = client.chat.completions.create(streamedChat(longText), keyed('long-stream'))
      await expect(again).rejects.toMatchObject(notKept)
    }
    expect((await recordOf(gateway.admin, 'long-stream'))?.state).toBe('completed')
    expect(await sandbox.meter.runs('long-stream')).toBe(1)
  })

  test('is told as not to be retried, and as no replay', async () => {
    const body = JSON.stringify(chat(longText))
    const headers = {
      ...keyed('long-raw').headers,
      Authorization: 'Bearer sk-test',
      'Content-Type': 'application/json',
    }
    await ask(`${gateway.url}/v1/chat/completions`, { headers, body })
    const retry = await ask(`${gateway.url}/v1/chat/completions`, { headers, body })
    expect(problemOf(retry)).toEqual({ ...notKept, shouldRetry: 'false' })
    expect(retry.headers['retrysafe-outcome']).toBe('refused')
    expect(retry.headers['idempotent-replayed']).toBeUndefined()
  })

  test('plain, with a duplicate that waits for it: the duplicate gets the whole or is told, never a part', async () => {
    const first = client.chat.completions.create(chat(longText), keyed('long-joined', 'delay=300ms'))
    await eventually(() => sandbox.meter.runs('long-joined')).toBe(1)
    const duplicate = client.chat.completions.create(chat(longText), keyed('long-joined'))
    const [one, other] = await Promise.allSettled([first, duplicate])
    expect(one).toMatchObject({ status: 'fulfilled' })
    if (other.status === 'fulfilled') expect(other.value.choices[0]?.message.content).toBe(whole)
    else expect(other.reason).toMatchObject(notKept)
    expect(await sandbox.meter.runs('long-joined')).toBe(1)
  })
})

test('answers within the limits are kept whole, whatever their size: plain and stream', async () => {
  const roomy = await startGateway(sandbox.url)
  onTestFinished(roomy.stop)
  const calls = openAi(roomy.url)
  const text = 'x'.repeat(900).concat(' ').repeat(1_000)
  for (const body of [chat(text), streamedChat(text)]) {
    const key = 'stream' in body ? 'large-stream' : 'large-plain'
    const first = await calls.chat.completions.create(body, keyed(key)).asResponse()
    const firstBytes = Buffer.from(await first.arrayBuffer())
    const again = await calls.chat.completions.create(body, keyed(key)).asResponse()
    const againBytes = Buffer.from(await again.arrayBuffer())
    expect(firstBytes.byteLength).toBeGreaterThan(900_000)
    expect(againBytes.equals(firstBytes)).toBe(true)
    expect(again.headers.get('retrysafe-outcome')).toBe('replayed')
    expect(await sandbox.meter.runs(key)).toBe(1)
  }
})
