import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startOneGateway } from '../support/gateway.ts'
import { provideDatabase } from '../support/postgres/provided-database.ts'
import { stateOf } from '../support/records.ts'
import { startRedis } from '../support/redis/server.ts'
import { startSandbox } from '../support/sandbox.ts'
import { chat, keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)
const redis = await startRedis()
afterAll(() => redis.stop())
const database = await provideDatabase()
await migrate({ url: database })

const longText = 'word '.repeat(2_000).trim()
const notKept = { status: 424, code: 'RESULT_NOT_KEPT' }

describe.each([
  ['memory', ['--store', 'memory:']],
  ['LMDB', []],
  ['Redis', ['--store', redis.url]],
  ['PostgreSQL', ['--store', database]],
])('an answer over --max-result, on %s', (name, store) => {
  test('its caller gets all of it, a retry and a resume are told that it ran, and it runs once', async () => {
    const gateway = await startOneGateway(sandbox.url, ['--max-result', '4kb', ...store])
    onTestFinished(gateway.stop)
    const { completions } = openAi(gateway.url).chat
    const [plain, streamed] = [`${name}-plain`, `${name}-stream`]

    const whole = await completions.create(chat(longText), keyed(plain))
    expect(whole.choices[0]?.message.content).toBe(`Run 1: you said: ${longText}`)
    const stream = await completions.create(streamedChat(longText), keyed(streamed)).withResponse()
    expect(await takeAll(stream.data[Symbol.asyncIterator]())).toBe(`Run 2: you said: ${longText}`)

    await expect(completions.create(chat(longText), keyed(plain))).rejects.toMatchObject(notKept)
    await expect(completions.create(streamedChat(longText), keyed(streamed))).rejects.toMatchObject(notKept)
    const id = stream.response.headers.get('retrysafe-stream')
    const resumed = await fetch(`${gateway.url}/_retrysafe/streams/${id}?offset=5`, {
      headers: { Authorization: 'Bearer sk-test' },
    })
    expect([resumed.status, Object(await resumed.json()).code]).toEqual([424, 'RESULT_NOT_KEPT'])
    for (const key of [plain, streamed]) {
      expect([await stateOf(gateway.admin, key), await sandbox.meter.runs(key)]).toEqual(['completed', 1])
    }
  })
})

test('Redis is killed in the middle of a stream: its caller gets all of it, nobody runs it again, and once the server is back it replays', async () => {
  const gateway = await startOneGateway(sandbox.url, ['--store', `${redis.url}?timeout=500ms`, '--lease', '1s'])
  onTestFinished(gateway.stop)
  const words = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ')
  const client = openAi(gateway.url)
  const stream = await client.chat.completions.create(streamedChat(words), keyed('killed', 'gap=30ms'))
  const chunks = stream[Symbol.asyncIterator]()
  const beginning = await take(chunks, 3)
  // A part of it is there, and acknowledged.
  await eventually(async () => (await fetch(`${gateway.admin}/api/v1/records`)).text()).toMatch(/"lengthBytes":[1-9]/)
  await redis.kill()
  expect(beginning + (await takeAll(chunks))).toBe(`Run 1: you said: ${words}`)
  const during = client.chat.completions.create(streamedChat(words), keyed('killed', 'gap=30ms'))
  await expect(during).rejects.toMatchObject({ status: 503, code: 'STORE_UNAVAILABLE' })

  await redis.start()
  // Its lease is long over by then, and nobody has taken over.
  await eventually(() => stateOf(gateway.admin, 'killed').catch(String)).toBe('completed')
  const again = await client.chat.completions.create(streamedChat(words), keyed('killed', 'gap=30ms')).withResponse()
  expect(again.response.headers.get('retrysafe-outcome')).toBe('replayed')
  expect(await takeAll(again.data[Symbol.asyncIterator]())).toBe(`Run 1: you said: ${words}`)
  expect(await sandbox.meter.runs('killed')).toBe(1)
})
