import OpenAI from 'openai'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

const hello = { model: 'gpt-x', input: 'hi' }

function sdk(fault = ''): OpenAI {
  const defaultHeaders = { 'Sandbox-Fault': fault }
  return new OpenAI({ baseURL: `${sandbox.url}/v1`, apiKey: 'no-key-needed', maxRetries: 0, defaultHeaders })
}

function post(body: unknown): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${sandbox.url}/v1/responses`, { method: 'POST', body: text })
}

function timeless(text: string): string {
  return text.replace(/"created_at":\d+/g, '"created_at":0')
}

/** A response as it stands on the wire. */
function response(status: string, output: string, usage: string, tier: string): string {
  return (
    `{"id":"resp_sandbox_1","object":"response","created_at":0,"status":"${status}","background":false,"error":null,` +
    '"incomplete_details":null,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"model":"gpt-x",' +
    `"output":[${output}],"parallel_tool_calls":true,"previous_response_id":null,` +
    `"reasoning":{"effort":null,"summary":null},"service_tier":"${tier}","store":true,"temperature":1,` +
    '"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_logprobs":0,' +
    `"top_p":1,"truncation":"disabled","usage":${usage},"user":null,"metadata":{}}`
  )
}

const part = '{"type":"output_text","annotations":[],"logprobs":[],"text":"Run 1: you said: hi"}'
const message = `{"id":"msg_sandbox_1","type":"message","status":"completed","content":[${part}],"role":"assistant"}`
const usage =
  '{"input_tokens":1,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":6}'
const completed = response('completed', message, usage, 'default')

test('a plain answer, byte for byte', async () => {
  const answer = await post(hello)
  expect(answer.headers.get('x-request-id')).toBe('req-sandbox-1')
  expect(timeless(await answer.text())).toBe(completed)
})

test('a stream has every event in its order, byte for byte', async () => {
  const begun = response('in_progress', '', 'null', 'auto')
  const at = '"item_id":"msg_sandbox_1","output_index":0,"content_index":0'
  const delta = (sequence: number, text: string): string =>
    `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":${sequence},${at},"delta":"${text}","logprobs":[]}\n\n`
  expect(timeless(await (await post({ ...hello, stream: true })).text())).toBe(
    `event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":${begun}}\n\n` +
      `event: response.in_progress\ndata: {"type":"response.in_progress","sequence_number":1,"response":${begun}}\n\n` +
      'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":2,"output_index":0,' +
      '"item":{"id":"msg_sandbox_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}\n\n' +
      `event: response.content_part.added\ndata: {"type":"response.content_part.added","sequence_number":3,${at},` +
      '"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}}\n\n' +
      delta(4, 'Run ') +
      delta(5, '1: ') +
      delta(6, 'you ') +
      delta(7, 'said: ') +
      delta(8, 'hi') +
      `event: response.output_text.done\ndata: {"type":"response.output_text.done","sequence_number":9,${at},"text":"Run 1: you said: hi","logprobs":[]}\n\n` +
      `event: response.content_part.done\ndata: {"type":"response.content_part.done","sequence_number":10,${at},"part":${part}}\n\n` +
      `event: response.output_item.done\ndata: {"type":"response.output_item.done","sequence_number":11,"output_index":0,"item":${message}}\n\n` +
      `event: response.completed\ndata: {"type":"response.completed","sequence_number":12,"response":${completed}}\n\n`,
  )
})

test('the SDK reads both forms to the same response', async () => {
  const plain = await sdk().responses.create(hello)
  expect([plain.id, plain.output_text, plain._request_id]).toEqual([
    'resp_sandbox_1',
    'Run 1: you said: hi',
    'req-sandbox-1',
  ])
  const streamed = await sdk().responses.stream(hello).finalResponse()
  expect([streamed.id, streamed.status, streamed.output_text]).toEqual([
    'resp_sandbox_2',
    'completed',
    'Run 2: you said: hi',
  ])
  expect(streamed.usage).toEqual(plain.usage)
})

test('max_output_tokens makes it incomplete, plain and streamed', async () => {
  const bounded = { ...hello, max_output_tokens: 3 }
  const plain = await sdk().responses.create(bounded)
  expect([plain.status, plain.incomplete_details, plain.output_text, plain.max_output_tokens]).toEqual([
    'incomplete',
    { reason: 'max_output_tokens' },
    'Run 1: you',
    3,
  ])
  const types: string[] = []
  for await (const event of await sdk().responses.create({ ...bounded, stream: true })) types.push(event.type)
  expect(types.at(-1)).toBe('response.incomplete')
})

test('instructions, lists of items, images, tools and their outputs are taken; every word is paid', async () => {
  const answer = await sdk().responses.create({
    model: 'gpt-x',
    instructions: 'be brief',
    previous_response_id: 'resp_0',
    metadata: { team: 'a' },
    tools: [{ type: 'function', name: 'look', parameters: {}, strict: true }],
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'what is this' },
          { type: 'input_image', image_url: 'https://images.example/1', detail: 'auto' },
        ],
      },
      { type: 'function_call', call_id: 'c', name: 'look', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'a cat' },
    ],
  })
  expect(answer.output_text).toBe('Run 1: you said: what is this')
  expect(answer.usage?.input_tokens).toBe(7)
  expect([answer.instructions, answer.previous_response_id, answer.metadata]).toEqual([
    'be brief',
    'resp_0',
    { team: 'a' },
  ])
})

test.each([
  ['[]', null, 'The body of the request is not a JSON object.'],
  ['{"model":"gpt-x"}', 'input', "'input' must be a string or a list of at least one item."],
  ['{"input":[]}', 'input', "'input' must be a string or a list of at least one item."],
  ['{"input":[7]}', 'input', "'input' must be a string or a list of at least one item."],
  ['{"input":"a","model":7}', 'model', "'model' must be a string."],
  ['{"input":"a","max_output_tokens":1.5}', 'max_output_tokens', "'max_output_tokens' must be a whole number from 1."],
])('%s is a 400', async (body, param, text) => {
  const answer = await post(body)
  expect(answer.status).toBe(400)
  expect(await answer.json()).toEqual({
    error: { message: text, type: 'invalid_request_error', param, code: null },
  })
})

test('the SDK raises on an error event, the first or a later one', async () => {
  for (const [fault, expected] of [
    ['error-event-after=0', []],
    ['error-event-after=2', ['response.created', 'response.in_progress']],
  ] as const) {
    const types: string[] = []
    const reading = async (): Promise<void> => {
      for await (const event of await sdk(fault).responses.create({ ...hello, stream: true })) types.push(event.type)
    }
    await expect(reading()).rejects.toThrow(`Sandbox-Fault: ${fault}`)
    expect(types).toEqual(expected)
  }
})
