import Anthropic from '@anthropic-ai/sdk'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

const hello = { model: 'claude-x', max_tokens: 99, messages: [{ role: 'user' as const, content: 'hi' }] }

function sdk(fault = ''): Anthropic {
  const defaultHeaders = { 'Sandbox-Fault': fault }
  return new Anthropic({ baseURL: sandbox.url, apiKey: 'no-key-needed', maxRetries: 0, defaultHeaders })
}

function post(body: unknown): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${sandbox.url}/v1/messages`, { method: 'POST', body: text })
}

const head = '"model":"claude-x","id":"msg_sandbox_1","type":"message","role":"assistant"'
const inputUsage =
  '"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,' +
  '"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0}'

test('a plain answer, byte for byte', async () => {
  const response = await post(hello)
  expect(response.headers.get('request-id')).toBe('req_sandbox_1')
  expect(await response.text()).toBe(
    `{${head},"content":[{"type":"text","text":"Run 1: you said: hi"}],"stop_reason":"end_turn","stop_sequence":null,` +
      `"usage":{${inputUsage},"output_tokens":5,"service_tier":"standard"}}`,
  )
})

test('a stream is start, block, ping, a delta per word, and the ends, byte for byte', async () => {
  const response = await post({ ...hello, stream: true })
  expect(response.headers.get('request-id')).toBe('req_sandbox_1')
  const delta = (text: string): string =>
    `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${text}"}}\n\n`
  expect(await response.text()).toBe(
    `event: message_start\ndata: {"type":"message_start","message":{${head},"content":[],"stop_reason":null,"stop_sequence":null,` +
      `"usage":{${inputUsage},"output_tokens":1,"service_tier":"standard"}}}\n\n` +
      'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n' +
      'event: ping\ndata: {"type":"ping"}\n\n' +
      delta('Run ') +
      delta('1: ') +
      delta('you ') +
      delta('said: ') +
      delta('hi') +
      'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n' +
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}}\n\n' +
      'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  )
})

test('the SDK reads both forms to the same message', async () => {
  const plain = await sdk().messages.create(hello)
  expect([plain.id, plain._request_id]).toEqual(['msg_sandbox_1', 'req_sandbox_1'])
  expect(plain.content).toEqual([{ type: 'text', text: 'Run 1: you said: hi' }])
  const streamed = await sdk().messages.stream(hello).finalMessage()
  expect([streamed.id, streamed.stop_reason]).toEqual(['msg_sandbox_2', 'end_turn'])
  expect(streamed.content).toEqual([{ type: 'text', text: 'Run 2: you said: hi' }])
  expect(streamed.usage).toEqual(plain.usage)
})

test('max_tokens bounds the words', async () => {
  const message = await sdk().messages.create({ ...hello, max_tokens: 3 })
  expect([message.content, message.stop_reason, message.usage.output_tokens]).toEqual([
    [{ type: 'text', text: 'Run 1: you' }],
    'max_tokens',
    3,
  ])
})

test('system, tools, images and tool results are taken; every word of them is paid', async () => {
  const source = { type: 'base64' as const, media_type: 'image/png' as const, data: 'aGk=' }
  const message = await sdk().messages.create({
    ...hello,
    system: [{ type: 'text', text: 'be brief' }],
    tools: [{ name: 'look', input_schema: { type: 'object' } }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', source },
          { type: 'text', text: 'what is this' },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'look', input: {} }] },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'a cat' }] }],
      },
    ],
  })
  expect(message.content).toEqual([{ type: 'text', text: 'Run 1: you said: a cat' }])
  expect(message.usage.input_tokens).toBe(7)
})

test.each([
  ['{"messages":', 'The body of the request is not a JSON object.'],
  ['{"max_tokens":9}', "'messages' is required: a list with at least one message."],
  ['{"messages":[{"role":"user","content":"a"}]}', 'max_tokens: Field required'],
  ['{"messages":[{"role":"user","content":"a"}],"max_tokens":0}', "'max_tokens' must be a whole number from 1."],
  [
    '{"messages":[{"role":"user","content":"a"}],"max_tokens":9,"system":7}',
    "'system' must be a string or a list of parts.",
  ],
  ['{"messages":[{"role":"user","content":"a"}],"max_tokens":9,"model":7}', "'model' must be a string."],
])('%s is a 400 in the format of Anthropic', async (body, message) => {
  const response = await post(body)
  expect([response.status, response.headers.get('request-id')]).toEqual([400, 'req_sandbox_error'])
  expect(await response.json()).toEqual({
    type: 'error',
    error: { type: 'invalid_request_error', message },
    request_id: 'req_sandbox_error',
  })
})

test('the SDK raises an error of its own class for each status', async () => {
  for (const [status, name] of [
    [429, 'RateLimitError'],
    [529, 'OverloadedError'],
  ] as const) {
    const error: unknown = await sdk(`status=${status}`)
      .messages.create(hello)
      .catch((raised: unknown) => raised)
    if (!(error instanceof Anthropic.APIError)) throw error
    expect([error.status, error.constructor.name]).toEqual([status, name])
  }
})

test('the SDK raises on an error event, and takes a truncated stream for a success when it is iterated', async () => {
  const texts: string[] = []
  const reading = async (fault: string): Promise<void> => {
    texts.length = 0
    for await (const event of await sdk(fault).messages.create({ ...hello, stream: true })) texts.push(event.type)
  }
  await expect(reading('error-event-after=4')).rejects.toThrow('Sandbox-Fault: error-event-after=4')
  expect(texts).toEqual(['message_start', 'content_block_start', 'content_block_delta'])
  await reading('truncate-after=4')
  expect(texts).toEqual(['message_start', 'content_block_start', 'content_block_delta'])
})
