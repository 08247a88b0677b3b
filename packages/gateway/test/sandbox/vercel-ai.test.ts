import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import {
  embedMany,
  generateText,
  type LanguageModel,
  stepCountIs,
  streamText,
  tool,
  experimental_transcribe as transcribe,
} from 'ai'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

function openai(fault: string): ReturnType<typeof createOpenAI> {
  return createOpenAI({ baseURL: `${sandbox.url}/v1`, apiKey: 'no-key-needed', headers: { 'Sandbox-Fault': fault } })
}

const models: Readonly<Record<string, (fault?: string) => LanguageModel>> = {
  'OpenAI chat': (fault = '') => openai(fault).chat('gpt-x'),
  'OpenAI Responses': (fault = '') => openai(fault)('gpt-x'),
  Anthropic: (fault = '') =>
    createAnthropic({ baseURL: `${sandbox.url}/v1`, apiKey: 'no-key-needed', headers: { 'Sandbox-Fault': fault } })(
      'claude-3-haiku-20240307',
    ),
}

describe.each(Object.entries(models))('%s', (_name, model) => {
  test('plain', async () => {
    const { text, usage, finishReason, warnings } = await generateText({ model: model(), prompt: 'hi', maxRetries: 0 })
    expect([text, usage.inputTokens, usage.outputTokens, finishReason, warnings]).toEqual([
      'Run 1: you said: hi',
      1,
      5,
      'stop',
      [],
    ])
  })

  test('streamed', async () => {
    const stream = streamText({ model: model(), prompt: 'hi', maxRetries: 0 })
    const words: string[] = []
    for await (const word of stream.textStream) words.push(word)
    expect(words).toEqual(['Run ', '1: ', 'you ', 'said: ', 'hi'])
    expect([await stream.finishReason, (await stream.usage).outputTokens]).toEqual(['stop', 5])
  })

  test('an error in the stream is shown', async () => {
    const errors: unknown[] = []
    const onError = ({ error }: { error: unknown }): void => {
      errors.push(error)
    }
    const stream = streamText({ model: model('error-event-after=5'), prompt: 'hi', maxRetries: 0, onError })
    await stream.consumeStream({ onError: () => {} })
    expect(JSON.stringify(errors)).toContain('Sandbox-Fault: error-event-after=5')
  })
})

describe.each(['OpenAI chat', 'Anthropic'])('an agent on %s', name => {
  const weather = tool({
    description: 'The weather of a city.',
    inputSchema: z.object({ city: z.string() }),
    execute: ({ city }) => `sunny in ${city}`,
  })
  const loop = { tools: { weather }, stopWhen: stepCountIs(5), maxRetries: 0 }
  const prompt = 'call weather {"city":"Rome"}'
  const answer = name === 'Anthropic' ? 'Run 2: you said: sunny in Rome' : `Run 2: you said: ${prompt}`

  test('calls the tool, and then answers', async () => {
    const model = models[name]?.() ?? ''
    const { text, steps } = await generateText({ ...loop, model, prompt })
    expect(steps.map(step => [step.finishReason, step.toolCalls.map(({ input }) => input)])).toEqual([
      ['tool-calls', [{ city: 'Rome' }]],
      ['stop', []],
    ])
    expect(steps[0]?.toolResults.map(({ output }) => output)).toEqual(['sunny in Rome'])
    expect(text).toBe(answer)
  })

  test('does so streamed', async () => {
    const stream = streamText({ ...loop, model: models[name]?.() ?? '', prompt })
    const steps = await stream.steps
    expect(steps.map(step => step.finishReason)).toEqual(['tool-calls', 'stop'])
    expect(steps[0]?.toolCalls.map(({ input }) => input)).toEqual([{ city: 'Rome' }])
    expect(await stream.text).toBe(answer)
  })
})

test('embeddings and transcriptions', async () => {
  const model = openai('').embedding('text-embedding-3-small')
  const { embeddings, usage } = await embedMany({ model, values: ['one', 'two words'], maxRetries: 0 })
  expect([embeddings.map(({ length }) => length), usage.tokens]).toEqual([[1536, 1536], 3])
  const audio = Buffer.from('hello there')
  const { text } = await transcribe({ model: openai('').transcription('gpt-4o-transcribe'), audio, maxRetries: 0 })
  expect(text).toBe('Run 2: you said: hello there')
})
