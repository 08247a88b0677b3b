import Anthropic from '@anthropic-ai/sdk'
import { expect, onTestFinished, test } from 'vitest'
import { isShared, startGateway, storeKind } from '../support/gateway.ts'
import { listRecords } from '../support/records.ts'
import { chat, openAi, streamedChat, takeAll } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()

/** Attempts of two seconds each; the answer comes in the second, or on a busy machine in a later one. */
const impatient = { timeout: 2_000, maxRetries: 5 }
const late = { headers: { 'Sandbox-Fault': 'delay=3500ms' } }

function anthropic(url: string, terms: { timeout?: number; maxRetries: number }): Anthropic {
  const defaultHeaders = isShared ? { Connection: 'close' } : {}
  return new Anthropic({ baseURL: url, apiKey: 'sk-test', defaultHeaders, ...terms })
}

function message(text: string): { model: string; max_tokens: number; messages: { role: 'user'; content: string }[] } {
  return { model: 'sandbox-model', max_tokens: 100, messages: [{ role: 'user', content: text }] }
}

/** Four calls that time out, by the SDKs as they are. What each says, but for the number of its run. */
function callLate(url: string, terms = impatient): Promise<string>[] {
  const ai = openAi(url, terms)
  const claude = anthropic(url, terms)
  const streamOf = async (): Promise<string> => {
    const stream = await ai.chat.completions.create(streamedChat('one two'), late)
    return takeAll(stream[Symbol.asyncIterator]())
  }
  const said = [
    ai.chat.completions.create(chat('three'), late).then(answer => answer.choices[0]?.message.content ?? ''),
    streamOf(),
    claude.messages.create(message('four'), late).then(answer => JSON.stringify(answer.content)),
    claude.messages.stream(message('five six'), late).finalText(),
  ]
  return said.map(text => text.then(words => words.replace(/Run \d+/, 'Run')))
}

test('SDKs that give up before the answer get it with their retry, for one run each; so do a thousand calls that look the same', async () => {
  // Identical on purpose: each is a call of its own, and none may get another's answer. The first 150 fail.
  const ai = openAi(gateway.url, { maxRetries: 5 })
  const failing = { headers: { 'Sandbox-Fault': 'status=500, times=150' } }
  const embed = async (): Promise<number> => {
    const { data } = await ai.embeddings.create(
      { model: 'sandbox-model', input: 'same', encoding_format: 'float' },
      failing,
    )
    return Math.round((data[0]?.embedding[0] ?? 0) * 1_024)
  }
  const runs = await Promise.all(Array.from({ length: 1_000 }, embed))
  expect(new Set(runs).size).toBe(1_000)

  expect(await Promise.all(callLate(gateway.url))).toEqual([
    'Run: you said: three',
    'Run: you said: one two',
    '[{"type":"text","text":"Run: you said: four"}]',
    'Run: you said: five six',
  ])
  const meter = await sandbox.meter.all()
  expect([meter.runs, meter.failed]).toEqual([1_004, 150])
  // What was not left is not in the store.
  expect(await listRecords(gateway.admin, '?limit=1000')).toHaveLength(4)
})

// What is about no store is shown once.
test.runIf(storeKind === 'lmdb')(
  'control: with --keyless pass each of them is run three times, for nothing',
  async () => {
    const passing = await startGateway(sandbox.url, ['--keyless', 'pass'])
    onTestFinished(passing.stop)
    const calls = await Promise.allSettled(callLate(passing.url, { timeout: 1_000, maxRetries: 2 }))
    expect(calls.map(call => call.status)).toEqual(Array(4).fill('rejected'))
    expect((await sandbox.meter.all()).runs).toBe(12)
  },
)
