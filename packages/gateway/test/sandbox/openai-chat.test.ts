import OpenAI from 'openai'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

function sdk(headers: Record<string, string> = {}): OpenAI {
  return new OpenAI({ baseURL: `${sandbox.url}/v1`, apiKey: 'no-key-needed', maxRetries: 0, defaultHeaders: headers })
}

function chat(body: unknown): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${sandbox.url}/v1/chat/completions`, { method: 'POST', body: text })
}

async function completion(body: unknown): Promise<OpenAI.ChatCompletion> {
  return (await (await chat(body)).json()) as OpenAI.ChatCompletion
}

const hello = { model: 'gpt-x', messages: [{ role: 'user', content: 'hello there' }] } as const

test('a plain answer has the members of OpenAI in its order, and names its run', async () => {
  const before = Math.floor(Date.now() / 1000)
  const response = await chat(hello)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.headers.get('x-request-id')).toBe('req-sandbox-1')
  const text = await response.text()
  const created = Number(/"created":(\d+)/.exec(text)?.[1])
  expect(created).toBeGreaterThanOrEqual(before)
  expect(created).toBeLessThanOrEqual(before + 30)
  expect(text.replace(/"created":\d+/, '"created":0')).toBe(
    '{"id":"chatcmpl-sandbox-1","object":"chat.completion","created":0,"model":"gpt-x","system_fingerprint":"fp_sandbox",' +
      '"choices":[{"index":0,"message":{"role":"assistant","content":"Run 1: you said: hello there","refusal":null},' +
      '"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":6,"total_tokens":8}}',
  )
  expect(await (await chat(hello)).text()).toContain('"content":"Run 2: you said: hello there"')
})

test('a stream is role, a frame per word, finish reason, [DONE], byte for byte', async () => {
  const response = await chat({ ...hello, messages: [{ role: 'user', content: 'hi' }], stream: true })
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const head =
    'data: {"id":"chatcmpl-sandbox-1","object":"chat.completion.chunk","created":0,"model":"gpt-x","system_fingerprint":"fp_sandbox","choices":[{"index":0,'
  expect((await response.text()).replace(/"created":\d+/g, '"created":0')).toBe(
    `${head}"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}\n\n` +
      `${head}"delta":{"content":"Run "},"logprobs":null,"finish_reason":null}]}\n\n` +
      `${head}"delta":{"content":"1: "},"logprobs":null,"finish_reason":null}]}\n\n` +
      `${head}"delta":{"content":"you "},"logprobs":null,"finish_reason":null}]}\n\n` +
      `${head}"delta":{"content":"said: "},"logprobs":null,"finish_reason":null}]}\n\n` +
      `${head}"delta":{"content":"hi"},"logprobs":null,"finish_reason":null}]}\n\n` +
      `${head}"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\n` +
      'data: [DONE]\n\n',
  )
})

test('the SDK reads a plain answer', async () => {
  const read = await sdk().chat.completions.create({ ...hello, messages: [...hello.messages] })
  expect(read.id).toBe('chatcmpl-sandbox-1')
  expect(read.choices[0]?.message.content).toBe('Run 1: you said: hello there')
  expect(read.usage).toEqual({ prompt_tokens: 2, completion_tokens: 6, total_tokens: 8 })
  expect(read._request_id).toBe('req-sandbox-1')
})

test('the SDK reads a stream; no usage unless it was asked for', async () => {
  const stream = await sdk().chat.completions.create({ ...hello, messages: [...hello.messages], stream: true })
  const words: (string | null | undefined)[] = []
  const reasons: (string | null | undefined)[] = []
  for await (const chunk of stream) {
    expect('usage' in chunk).toBe(false)
    words.push(chunk.choices[0]?.delta.content)
    reasons.push(chunk.choices[0]?.finish_reason)
  }
  expect(words).toEqual(['', 'Run ', '1: ', 'you ', 'said: ', 'hello ', 'there', undefined])
  expect(reasons).toEqual([null, null, null, null, null, null, null, 'stop'])
})

test('with include_usage the last chunk has the usage and no choices, the others a null', async () => {
  const stream = await sdk().chat.completions.create({
    ...hello,
    messages: [...hello.messages],
    stream: true,
    stream_options: { include_usage: true },
  })
  const chunks: { choices: number; usage: unknown }[] = []
  for await (const chunk of stream) chunks.push({ choices: chunk.choices.length, usage: chunk.usage })
  expect(chunks).toHaveLength(9)
  expect(chunks.slice(0, 8)).toEqual(Array(8).fill({ choices: 1, usage: null }))
  expect(chunks[8]).toEqual({
    choices: 0,
    usage: { prompt_tokens: 2, completion_tokens: 6, total_tokens: 8 },
  })
})

test("the SDK's stream helper assembles the same completion", async () => {
  const runner = sdk().chat.completions.stream({ ...hello, messages: [...hello.messages] })
  const read = await runner.finalChatCompletion()
  expect(read.choices[0]?.message.content).toBe('Run 1: you said: hello there')
  expect(read.choices[0]?.finish_reason).toBe('stop')
})

test.each(['max_tokens', 'max_completion_tokens'])('%s bounds the words, plain and streamed', async limit => {
  const plain = await completion({ ...hello, [limit]: 3 })
  expect(plain.choices[0]?.message.content).toBe('Run 1: you')
  expect(plain.choices[0]?.finish_reason).toBe('length')
  expect(plain.usage?.completion_tokens).toBe(3)
  const streamed = await (await chat({ ...hello, [limit]: 3, stream: true })).text()
  expect([...streamed.matchAll(/"delta":(\{[^}]*\})/g)].map(match => match[1])).toEqual([
    '{"role":"assistant","content":"","refusal":null}',
    '{"content":"Run "}',
    '{"content":"2: "}',
    '{"content":"you"}',
    '{}',
  ])
  expect(streamed).toContain('"finish_reason":"length"')
})

test('a limit that is just long enough is not a cut', async () => {
  const answer = await completion({ ...hello, max_tokens: 6 })
  expect(answer.choices[0]?.finish_reason).toBe('stop')
})

test('n gives several choices, and each is paid', async () => {
  const plain = await completion({ ...hello, n: 2 })
  expect(plain.choices.map(choice => choice.index)).toEqual([0, 1])
  expect(plain.usage?.completion_tokens).toBe(12)
  const streamed = await (await chat({ ...hello, n: 2, stream: true })).text()
  expect(streamed.match(/"index":1/g)).toHaveLength(8)
  expect(streamed.match(/\[DONE\]/g)).toHaveLength(1)
})

test('it answers the last user message, read from text parts too', async () => {
  const messages = [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'first' },
    { role: 'assistant', content: null, tool_calls: [] },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what is' },
        { type: 'image_url', image_url: { url: 'https://images.example/1' } },
        { type: 'text', text: 'this' },
      ],
    },
    { role: 'tool', tool_call_id: 'c', content: 'seen' },
  ]
  const answer = await completion({ messages })
  expect(answer.choices[0]?.message.content).toBe('Run 1: you said: what is\nthis')
  expect(answer.model).toBe('sandbox-model')
  expect(answer.usage?.prompt_tokens).toBe(7)
})

test.each([
  ['{"messages":', null, 'The body of the request is not a JSON object.'],
  ['[1]', null, 'The body of the request is not a JSON object.'],
  ['{"model":"gpt-x"}', 'messages', "'messages' is required: a list with at least one message."],
  ['{"messages":[]}', 'messages', "'messages' is required: a list with at least one message."],
  [
    '{"messages":[{"role":"user","content":"a"},{"content":"b"}]}',
    'messages',
    "'messages[1]' must have a string 'role' and a 'content' that is a string or a list of parts.",
  ],
  ['{"messages":[{"role":"user","content":"a"}],"model":7}', 'model', "'model' must be a string."],
  ['{"messages":[{"role":"user","content":"a"}],"n":129}', 'n', "'n' must be a whole number from 1 to 128."],
  [
    '{"messages":[{"role":"user","content":"a"}],"max_tokens":0}',
    'max_tokens',
    "'max_tokens' must be a whole number from 1.",
  ],
])('%s is a 400 in the format of OpenAI: received, not run', async (body, param, message) => {
  const response = await chat(body)
  expect(response.status).toBe(400)
  expect(await response.json()).toEqual({ error: { message, type: 'invalid_request_error', param, code: null } })
  const meter = await (await fetch(`${sandbox.url}/meter`)).json()
  expect(meter).toMatchObject({ runs: 0, received: 1, rejected: 1, failed: 0 })
})

test('the SDK shows our 400 as its own error, and retries a 500 that strikes once', async () => {
  const invalid = sdk().chat.completions.create({ model: 'gpt-x', messages: [] })
  await expect(invalid).rejects.toThrow("400 'messages' is required: a list with at least one message.")
  const read = await sdk({ 'Sandbox-Fault': 'status=500, times=1' }).chat.completions.create(
    { ...hello, messages: [...hello.messages] },
    { maxRetries: 1 },
  )
  expect(read.id).toBe('chatcmpl-sandbox-1')
})
