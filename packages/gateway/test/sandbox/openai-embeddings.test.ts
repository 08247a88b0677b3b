import OpenAI from 'openai'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

function sdk(): OpenAI {
  return new OpenAI({ baseURL: `${sandbox.url}/v1`, apiKey: 'no-key-needed', maxRetries: 0 })
}

function post(body: unknown): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${sandbox.url}/v1/embeddings`, { method: 'POST', body: text })
}

test('an answer, byte for byte: run / 1024, then numbers that depend on the input alone', async () => {
  const response = await post({ model: 'embed-x', input: 'hi there', dimensions: 3 })
  expect(response.headers.get('x-request-id')).toBe('req-sandbox-1')
  expect(await response.text()).toBe(
    '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0009765625,0.021484375,0.0322265625]}],' +
      '"model":"embed-x","usage":{"prompt_tokens":2,"total_tokens":2}}',
  )
  expect(await (await post({ input: 'hi there', dimensions: 3 })).text()).toContain(
    '[0.001953125,0.021484375,0.0322265625]',
  )
})

test('the SDK, which asks for base64, reads the same numbers; 1536 of them by default', async () => {
  const vectors = await sdk().embeddings.create({ model: 'embed-x', input: ['one', 'two words'] })
  expect(vectors.data.map(({ index, embedding }) => [index, embedding.length])).toEqual([
    [0, 1536],
    [1, 1536],
  ])
  expect(vectors.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 })
  const floats = await sdk().embeddings.create({ model: 'embed-x', input: 'one', encoding_format: 'float' })
  expect(floats.data[0]?.embedding.slice(1)).toEqual(vectors.data[0]?.embedding.slice(1))
  expect(vectors.data[1]?.embedding).not.toEqual(vectors.data[0]?.embedding)
})

test('token numbers are inputs too, and paid one each', async () => {
  for (const [input, count, tokens] of [
    [[1, 2, 3], 1, 3],
    [[[1, 2], [3]], 2, 3],
  ] as const) {
    const body = { model: 'embed-x', input, dimensions: 2 }
    const answer = (await (await post(body)).json()) as OpenAI.CreateEmbeddingResponse
    expect([answer.data.length, answer.usage.prompt_tokens]).toEqual([count, tokens])
  }
})

const forms = "'input' must be a string, a list of token numbers, or a list of 1 to 2048 of them, none empty."

test.each([
  ['no JSON', 'The body of the request is not a JSON object.', null],
  [{}, forms, 'input'],
  [{ input: '' }, forms, 'input'],
  [{ input: [] }, forms, 'input'],
  [{ input: ['a', ''] }, forms, 'input'],
  [{ input: Array(2049).fill('a') }, forms, 'input'],
  [{ input: 'a', dimensions: 3073 }, "'dimensions' must be a whole number from 1 to 3072.", 'dimensions'],
  [{ input: 'a', encoding_format: 'hex' }, "'encoding_format' must be 'float' or 'base64'.", 'encoding_format'],
  [{ input: 'a', model: 7 }, "'model' must be a string.", 'model'],
])('case %#: a 400', async (body, message, param) => {
  const response = await post(body)
  expect(response.status).toBe(400)
  expect(await response.json()).toEqual({ error: { message, type: 'invalid_request_error', param, code: null } })
})
