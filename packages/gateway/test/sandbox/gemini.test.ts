import { GoogleGenAI } from '@google/genai'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

const hello = { model: 'gemini-x', contents: 'hi' }

function sdk(fault = ''): GoogleGenAI {
  const headers = { 'Sandbox-Fault': fault }
  return new GoogleGenAI({ apiKey: 'no-key-needed', httpOptions: { baseUrl: sandbox.url, headers } })
}

function post(method: string, body: unknown = { contents: [{ parts: [{ text: 'hi' }] }] }): Promise<Response> {
  return fetch(`${sandbox.url}/v1beta/models/gemini-x:${method}`, { method: 'POST', body: JSON.stringify(body) })
}

/** A chunk as it stands on the wire of an event stream. */
function chunk(text: string, words: number, reason = ''): string {
  return (
    `{"candidates":[{"content":{"parts":[{"text":"${text}"}],"role":"model"},${reason}"index":0}],` +
    `"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":${words},"totalTokenCount":${words + 1},` +
    '"promptTokensDetails":[{"modality":"TEXT","tokenCount":1}]},"modelVersion":"gemini-x","responseId":"sandbox-1"}'
  )
}

const stop = '"finishReason":"STOP",'

test.each(['v1beta', 'v1alpha', 'v1'])('a plain answer under /%s', async version => {
  const response = await fetch(`${sandbox.url}/${version}/models/gemini-x:generateContent`, {
    method: 'POST',
    body: '{"contents":[{"parts":[{"text":"hi"}]}]}',
  })
  const text = await response.text()
  expect(text.startsWith('{\n  "candidates": [\n    {\n')).toBe(true)
  expect(JSON.stringify(JSON.parse(text))).toBe(chunk('Run 1: you said: hi', 5, stop))
})

test('an event stream ends its lines with CR LF; the last word has the finish reason', async () => {
  const response = await post('streamGenerateContent?alt=sse&key=secret')
  expect(await response.text()).toBe(
    `data: ${chunk('Run ', 1)}\r\n\r\ndata: ${chunk('1: ', 2)}\r\n\r\ndata: ${chunk('you ', 3)}\r\n\r\n` +
      `data: ${chunk('said: ', 4)}\r\n\r\ndata: ${chunk('hi', 5, stop)}\r\n\r\n`,
  )
})

test('without alt=sse the stream is one JSON array of the same chunks, indented', async () => {
  const text = await (await post('streamGenerateContent')).text()
  expect(text.startsWith('[{\n  "candidates": [\n')).toBe(true)
  expect(text.endsWith('\n}\n]\n')).toBe(true)
  expect(text.match(/^,\r$/gm)).toHaveLength(4)
  expect(JSON.stringify(JSON.parse(text))).toBe(
    `[${chunk('Run ', 1)},${chunk('1: ', 2)},${chunk('you ', 3)},${chunk('said: ', 4)},${chunk('hi', 5, stop)}]`,
  )
})

test('the SDK reads both forms', async () => {
  const plain = await sdk().models.generateContent(hello)
  expect([plain.text, plain.responseId, plain.usageMetadata?.totalTokenCount]).toEqual([
    'Run 1: you said: hi',
    'sandbox-1',
    6,
  ])
  const texts: (string | undefined)[] = []
  for await (const part of await sdk().models.generateContentStream(hello)) texts.push(part.text)
  expect(texts).toEqual(['Run ', '2: ', 'you ', 'said: ', 'hi'])
})

test('maxOutputTokens bounds the words, candidateCount multiplies them; a chat is answered by its last user', async () => {
  const config = { maxOutputTokens: 3, candidateCount: 2, systemInstruction: 'be brief' }
  const history = [
    { role: 'user', parts: [{ text: 'hello' }, { inlineData: { mimeType: 'image/png', data: 'aGk=' } }] },
    { role: 'model', parts: [{ text: 'yes' }] },
    { parts: [{ text: 'bye' }] },
  ]
  const answer = await sdk().models.generateContent({ model: 'gemini-x', contents: history, config })
  expect(answer.candidates?.map(({ index, finishReason, content }) => [index, finishReason, content?.parts])).toEqual([
    [0, 'MAX_TOKENS', [{ text: 'Run 1: you' }]],
    [1, 'MAX_TOKENS', [{ text: 'Run 1: you' }]],
  ])
  expect(answer.usageMetadata).toMatchObject({ promptTokenCount: 5, candidatesTokenCount: 6, totalTokenCount: 11 })
  const snake = { contents: history, generation_config: { max_output_tokens: 6 }, system_instruction: { parts: [] } }
  expect(await (await post('generateContent', snake)).text()).toContain('"Run 2: you said: bye"')
})

test.each([
  [[], 'The body of the request is not a JSON object.'],
  [{}, "'contents' must be a list of at least one content that has a list of 'parts'."],
  [{ contents: [{ text: 'hi' }] }, "'contents' must be a list of at least one content that has a list of 'parts'."],
  [
    { contents: [{ parts: [] }], generationConfig: { maxOutputTokens: 0 } },
    "'maxOutputTokens' must be a whole number from 1.",
  ],
  [
    { contents: [{ parts: [] }], generationConfig: { candidateCount: 9 } },
    "'candidateCount' must be a whole number from 1 to 8.",
  ],
])('%j is a 400 in the format of Google', async (body, message) => {
  for (const method of ['generateContent', 'streamGenerateContent', 'streamGenerateContent?alt=sse']) {
    const response = await post(method, body)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ error: { code: 400, message, status: 'INVALID_ARGUMENT' } })
  }
})

test('the SDK raises on an error in the stream and on a status', async () => {
  const reading = async (fault: string): Promise<void> => {
    for await (const _ of await sdk(fault).models.generateContentStream(hello));
  }
  await expect(reading('error-event-after=2')).rejects.toThrow('Sandbox-Fault: error-event-after=2')
  await expect(reading('status=429')).rejects.toThrow('RESOURCE_EXHAUSTED')
})
