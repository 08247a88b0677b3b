import { APIUserAbortError } from 'openai'
import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { stateOf } from '../support/records.ts'
import { chat, keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const direct = openAi(sandbox.url)
const client = openAi(gateway.url)
const words = Array.from({ length: 20 }, (_, at) => `w${at}`).join(' ')

/** Calls, and hangs up as soon as the provider has the request, long before it answers. */
async function leaveBeforeHead(calls: typeof client, key: string): Promise<void> {
  const leave = new AbortController()
  const left = expect(
    calls.chat.completions.create(chat('hello'), { ...keyed(key, 'delay=500ms'), signal: leave.signal }),
  ).rejects.toThrow(APIUserAbortError)
  await eventually(() => sandbox.meter.runs(key)).toBe(1)
  leave.abort()
  await left
}

/** Reads three chunks and hangs up. */
async function leaveInMidStream(calls: typeof client, key: string): Promise<string> {
  const stream = await calls.chat.completions.create(streamedChat(words), keyed(key, 'gap=15ms'))
  const beginning = await take(stream[Symbol.asyncIterator](), 3)
  stream.controller.abort()
  return beginning
}

test('control: without a gateway a client that timed out before the head pays twice', async () => {
  await leaveBeforeHead(direct, 'before-head')
  const retry = await direct.chat.completions.create(chat('hello'), keyed('before-head'))
  expect(retry.id).toBe('chatcmpl-sandbox-2')
  expect(await sandbox.meter.runs('before-head')).toBe(2)
})

test('a client that left before the head finds the running call with its retry', async () => {
  await leaveBeforeHead(client, 'before-head')
  const retry = await client.chat.completions.create(chat('hello'), keyed('before-head')).withResponse()
  expect(retry.data.id).toBe('chatcmpl-sandbox-1')
  expect(retry.response.headers.get('idempotent-replayed')).toBe('true')
  expect(await sandbox.meter.runs('before-head')).toBe(1)
})

test('its call is finished and kept even when nobody asks again until later', async () => {
  await leaveBeforeHead(client, 'much-later')
  await eventually(() => stateOf(gateway.admin, 'much-later')).toBe('completed')
  const retry = await client.chat.completions.create(chat('hello'), keyed('much-later')).withResponse()
  expect(retry.data.id).toBe('chatcmpl-sandbox-1')
  expect(retry.response.headers.get('retrysafe-outcome')).toBe('replayed')
  expect(await sandbox.meter.runs('much-later')).toBe(1)
})

test('control: without a gateway a client that left in mid-stream pays twice', async () => {
  expect(await leaveInMidStream(direct, 'mid-stream')).toBe('Run 1: ')
  const retry = await direct.chat.completions.create(streamedChat(words), keyed('mid-stream'))
  expect(await takeAll(retry[Symbol.asyncIterator]())).toBe(`Run 2: you said: ${words}`)
  expect(await sandbox.meter.runs('mid-stream')).toBe(2)
})

test('a client that left in mid-stream gets the whole stream with its retry', async () => {
  expect(await leaveInMidStream(client, 'mid-stream')).toBe('Run 1: ')
  const retry = await client.chat.completions.create(streamedChat(words), keyed('mid-stream', 'gap=15ms'))
  expect(await takeAll(retry[Symbol.asyncIterator]())).toBe(`Run 1: you said: ${words}`)
  expect(await sandbox.meter.runs('mid-stream')).toBe(1)
})

test('a stream that its client left is kept whole', async () => {
  await leaveInMidStream(client, 'left-stream')
  await eventually(() => stateOf(gateway.admin, 'left-stream')).toBe('completed')
  const retry = await client.chat.completions.create(streamedChat(words), keyed('left-stream')).withResponse()
  expect(await takeAll(retry.data[Symbol.asyncIterator]())).toBe(`Run 1: you said: ${words}`)
  expect(retry.response.headers.get('retrysafe-outcome')).toBe('replayed')
  expect(await sandbox.meter.runs('left-stream')).toBe(1)
})

test('clients that leave one after the other still are one run', async () => {
  await leaveBeforeHead(client, 'impatient')
  for (let retries = 0; retries < 3; retries++) {
    const hurried = client.chat.completions.create(chat('hello'), { ...keyed('impatient'), timeout: 50 })
    await hurried.catch(() => undefined)
  }
  const patient = await client.chat.completions.create(chat('hello'), keyed('impatient'))
  expect(patient.id).toBe('chatcmpl-sandbox-1')
  expect(await sandbox.meter.runs('impatient')).toBe(1)
})
