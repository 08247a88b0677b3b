import { describe, expect, test } from 'vitest'
import { chat, keyed, openAi, streamedChat } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const direct = openAi(sandbox.url)
const client = openAi(gateway.url)

describe('a plain answer', () => {
  test('control: without a gateway two calls with one key are two runs', async () => {
    const first = await direct.chat.completions.create(chat('hello'), keyed('plain'))
    const second = await direct.chat.completions.create(chat('hello'), keyed('plain'))
    expect([first.id, second.id]).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-2'])
    expect(await sandbox.meter.runs('plain')).toBe(2)
  })

  test('is given again to a second call with its key', async () => {
    const first = await client.chat.completions.create(chat('hello'), keyed('plain')).withResponse()
    const second = await client.chat.completions.create(chat('hello'), keyed('plain')).withResponse()

    expect(first.data.choices[0]?.message.content).toBe('Run 1: you said: hello')
    expect(second.data).toEqual(first.data)
    expect(first.response.headers.get('idempotent-replayed')).toBeNull()
    expect(first.response.headers.get('age')).toBeNull()
    expect(first.response.headers.get('retrysafe-outcome')).toBe('executed')
    expect(first.response.headers.get('retrysafe-key')).toBe('plain')
    expect(second.response.headers.get('idempotent-replayed')).toBe('true')
    expect(second.response.headers.get('age')).toMatch(/^[012]$/)
    expect(second.response.headers.get('retrysafe-outcome')).toBe('replayed')
    expect(second.response.headers.get('retrysafe-key')).toBe('plain')
    expect(second.response.headers.get('x-request-id')).toBe('req-sandbox-1')
    expect(await sandbox.meter.key('plain')).toMatchObject({ runs: 1, inputTokens: 1, outputTokens: 5 })
  })

  test('is the same to the byte', async () => {
    const first = await client.chat.completions.create(chat('naïve — ☃ 🐘'), keyed('bytes')).asResponse()
    const second = await client.chat.completions.create(chat('naïve — ☃ 🐘'), keyed('bytes')).asResponse()
    const firstBytes = Buffer.from(await first.arrayBuffer())
    const secondBytes = Buffer.from(await second.arrayBuffer())

    expect(firstBytes.toString()).toContain('Run 1: you said: naïve — ☃ 🐘')
    expect(secondBytes.equals(firstBytes)).toBe(true)
    expect(second.headers.get('content-type')).toBe('application/json')
    expect(await sandbox.meter.runs('bytes')).toBe(1)
  })

  test('stays what it was, however often it is asked for', async () => {
    const ids = new Set<string>()
    for (let call = 0; call < 20; call++) {
      ids.add((await client.chat.completions.create(chat('again'), keyed('often'))).id)
    }
    expect([...ids]).toEqual(['chatcmpl-sandbox-1'])
    expect(await sandbox.meter.runs('often')).toBe(1)
  })

  test('belongs to its key: another key is another run', async () => {
    const one = await client.chat.completions.create(chat('hello'), keyed('key-one'))
    const other = await client.chat.completions.create(chat('hello'), keyed('key-two'))
    expect([one.id, other.id]).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-2'])
  })
})

describe('a stream', () => {
  async function readTwice(calls: typeof client): Promise<[Buffer, Buffer, Response]> {
    const first = await calls.chat.completions.create(streamedChat('tell me a story'), keyed('stream')).asResponse()
    const firstBytes = Buffer.from(await first.arrayBuffer())
    const second = await calls.chat.completions.create(streamedChat('tell me a story'), keyed('stream')).asResponse()
    return [firstBytes, Buffer.from(await second.arrayBuffer()), second]
  }

  test('control: without a gateway two calls with one key are two runs', async () => {
    const [first, second] = await readTwice(direct)
    expect(second.equals(first)).toBe(false)
    expect(await sandbox.meter.runs('stream')).toBe(2)
  })

  test('is given again, the same to the byte', async () => {
    const [first, second, replay] = await readTwice(client)
    expect(first.toString()).toMatch(/^data: {"id":"chatcmpl-sandbox-1"/)
    expect(first.toString()).toMatch(/data: \[DONE\]\n\n$/)
    expect(second.equals(first)).toBe(true)
    expect(replay.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(replay.headers.get('idempotent-replayed')).toBe('true')
    expect(replay.headers.get('retrysafe-outcome')).toBe('replayed')
    expect(await sandbox.meter.runs('stream')).toBe(1)
  })

  test('reads like a live one to the SDK', async () => {
    const texts: string[] = []
    for (let call = 0; call < 2; call++) {
      const body = { ...streamedChat('one two'), stream_options: { include_usage: true } }
      let text = ''
      for await (const chunk of await client.chat.completions.create(body, keyed('sdk-stream'))) {
        text += chunk.choices[0]?.delta.content ?? `|${chunk.usage?.completion_tokens}`
      }
      texts.push(text)
    }
    expect(texts).toEqual(['Run 1: you said: one two|undefined|6', 'Run 1: you said: one two|undefined|6'])
    expect(await sandbox.meter.runs('sdk-stream')).toBe(1)
  })
})
