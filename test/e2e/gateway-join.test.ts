import { ConflictError } from 'openai'
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, open, problemOf } from '../support/exchange.ts'
import { startGateway, startOneGateway } from '../support/gateway.ts'
import { stateOf } from '../support/records.ts'
import { chat, keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const client = openAi(gateway.url)
const words = Array.from({ length: 40 }, (_, at) => `w${at}`).join(' ')

async function begin(calls: typeof client, key: string, fault: string) {
  const { data, response } = await calls.chat.completions.create(streamedChat(words), keyed(key, fault)).withResponse()
  const chunks: AsyncIterator<ChatCompletionChunk> = data[Symbol.asyncIterator]()
  return { chunks, headers: response.headers }
}

test('control: without a gateway a second call in mid-stream is a second run with other words', async () => {
  const direct = openAi(sandbox.url)
  const first = await begin(direct, 'mid-stream', 'gap=10ms')
  await take(first.chunks, 3)
  const second = await begin(direct, 'mid-stream', 'gap=10ms')
  expect(await take(second.chunks, 3)).toBe('Run 2: ')
  await Promise.all([takeAll(first.chunks), takeAll(second.chunks)])
  expect(await sandbox.meter.runs('mid-stream')).toBe(2)
})

test('a second caller in mid-stream gets what there is at once, then the rest as it comes', async () => {
  const first = await begin(client, 'mid-stream', 'gap=30ms')
  const beginning = await take(first.chunks, 3)
  let firstIsOver = false
  const firstRest = takeAll(first.chunks).finally(() => {
    firstIsOver = true
  })

  const second = await begin(client, 'mid-stream', 'gap=30ms')
  const prefix = await take(second.chunks, 3)
  expect(firstIsOver).toBe(false)
  expect(prefix).toBe('Run 1: ')
  expect(second.headers.get('retrysafe-outcome')).toBe('joined')
  expect(second.headers.get('idempotent-replayed')).toBe('true')
  expect(second.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')

  const whole = `Run 1: you said: ${words}`
  expect(beginning + (await firstRest)).toBe(whole)
  expect(prefix + (await takeAll(second.chunks))).toBe(whole)
  expect(first.headers.get('retrysafe-outcome')).toBe('executed')
  expect(await sandbox.meter.runs('mid-stream')).toBe(1)
})

test('the recorded prefix needs no further word of the upstream, and a stream that falls silent ends whole for nobody', async () => {
  const impatient = await startGateway(sandbox.url, ['--upstream-timeout', '1s'])
  onTestFinished(impatient.stop)
  const calls = openAi(impatient.url)
  const first = await begin(calls, 'silent', 'hang, cut-after=5')
  expect(await take(first.chunks, 5)).toBe('Run 1: you said: ')
  const second = await begin(calls, 'silent', 'hang, cut-after=5')
  expect(await take(second.chunks, 5)).toBe('Run 1: you said: ')
  expect(second.headers.get('retrysafe-outcome')).toBe('joined')

  const ends = await Promise.allSettled([takeAll(first.chunks), takeAll(second.chunks)])
  expect(ends.map(end => end.status)).toEqual(['rejected', 'rejected'])
  expect(await sandbox.meter.runs('silent')).toBe(1)
})

test('a joiner that leaves takes nothing from the others', async () => {
  const first = await begin(client, 'leaver', 'gap=15ms')
  await take(first.chunks, 3)
  const leaver = await begin(client, 'leaver', 'gap=15ms')
  await take(leaver.chunks, 3)
  await leaver.chunks.return?.()
  expect(await takeAll(first.chunks)).toBe(`you said: ${words}`)
  expect(await sandbox.meter.runs('leaver')).toBe(1)
})

test('a plain duplicate waits for the running one, also when its first caller is a slow one', async () => {
  const first = client.chat.completions.create(chat('hello'), keyed('plain', 'delay=400ms')).withResponse()
  await eventually(() => sandbox.meter.runs('plain')).toBe(1)
  const second = await client.chat.completions.create(chat('hello'), keyed('plain')).withResponse()
  expect(second.response.headers.get('retrysafe-outcome')).toBe('joined')
  expect(second.response.headers.get('idempotent-replayed')).toBe('true')
  expect(second.data).toEqual((await first).data)
  expect(await sandbox.meter.runs('plain')).toBe(1)
})

test('with --max-waiters 1 a third caller is told to come again', async () => {
  const narrow = await startOneGateway(sandbox.url, ['--max-waiters', '1'])
  onTestFinished(narrow.stop)
  const url = `${narrow.url}/effects/charge`
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'narrow', 'Sandbox-Fault': 'delay=700ms' }
  const callers = [ask(url, { headers })]
  await eventually(() => sandbox.meter.runs('narrow')).toBe(1)
  callers.push(ask(url, { headers }), ask(url, { headers }))
  const answers = await Promise.all(callers)
  expect(answers.map(answer => answer.status).sort()).toEqual([200, 200, 409])
  const refused = answers.find(answer => answer.status === 409)
  expect(refused?.text).toContain('"code":"IN_FLIGHT"')
  expect(refused?.headers).toMatchObject({ 'x-should-retry': 'true', 'retry-after': '1', 'retry-after-ms': '1000' })
  expect(await sandbox.meter.runs('narrow')).toBe(1)
})

test('--wait bounds how long a duplicate waits; a client may ask for less, never for more', async () => {
  const brief = await startGateway(sandbox.url, ['--wait', '300ms'])
  onTestFinished(brief.stop)
  const url = `${brief.url}/effects/charge`
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'brief', 'Sandbox-Fault': 'delay=1500ms' }
  let firstIsOver = false
  const first = ask(url, { headers }).finally(() => {
    firstIsOver = true
  })
  await eventually(() => sandbox.meter.runs('brief')).toBe(1)
  const asked = [
    {},
    { 'Retrysafe-Wait': '60' },
    { Prefer: 'wait=60' },
    { Prefer: 'wait=0' },
    { 'Retrysafe-Wait': '0.1' },
  ]
  const refused = await Promise.all(asked.map(wait => ask(url, { headers: { ...headers, ...wait } })))
  expect(firstIsOver).toBe(false)
  for (const answer of refused) {
    expect(problemOf(answer)).toEqual({ status: 409, code: 'IN_FLIGHT', shouldRetry: 'true' })
  }
  expect((await first).status).toBe(200)
  expect(await sandbox.meter.runs('brief')).toBe(1)
})

test('a duplicate is told to come again shortly before its own client would give up', async () => {
  const first = client.chat.completions.create(chat('hello'), keyed('patience', 'delay=2200ms'))
  await eventually(() => sandbox.meter.runs('patience')).toBe(1)
  const hurried = client.chat.completions.create(chat('hello'), { ...keyed('patience'), timeout: 2_000 })
  await expect(hurried).rejects.toThrow(ConflictError)
  expect((await first).id).toBe('chatcmpl-sandbox-1')
  expect(await sandbox.meter.runs('patience')).toBe(1)
})

test('a caller that does not read holds nobody up: its answer is kept long before it has it', async () => {
  // More than the buffers of two sockets take in.
  const body = JSON.stringify({ ...streamedChat(`${'x'.repeat(8_000)} `.repeat(120)), n: 10 })
  const headers = { ...keyed('slow').headers, Authorization: 'Bearer sk-test', 'Content-Type': 'application/json' }
  const slow = await open(`${gateway.url}/v1/chat/completions`, { headers, body })
  await eventually(() => stateOf(gateway.admin, 'slow')).toBe('completed')
  const quick = await ask(`${gateway.url}/v1/chat/completions`, { headers, body })
  expect(quick.headers['retrysafe-outcome']).toBe('replayed')
  const pieces: Buffer[] = []
  for await (const piece of slow) pieces.push(piece)
  expect(Buffer.concat(pieces).equals(quick.body)).toBe(true)
  expect(quick.body.byteLength).toBeGreaterThan(9_000_000)
  expect(await sandbox.meter.runs('slow')).toBe(1)
})
