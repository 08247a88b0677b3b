import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

const chat = { model: 'llama', messages: [{ role: 'user', content: 'hi' }] }

function post(path: string, body: unknown): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(sandbox.url + path, { method: 'POST', body: text })
}

async function text(path: string, body: unknown): Promise<string> {
  return (await (await post(path, body)).text()).replace(/"created_at":"[^"]*"/g, '"created_at":""')
}

const head = '{"model":"llama","created_at":"",'
const end =
  '"done":true,"done_reason":"stop","total_duration":6000000,"load_duration":0,"prompt_eval_count":1,' +
  '"prompt_eval_duration":1000000,"eval_count":5,"eval_duration":5000000}'

test('chat streams unless it is told not to: a line a word, the last one with the counts', async () => {
  const line = (word: string): string => `${head}"message":{"role":"assistant","content":"${word}"},"done":false}\n`
  expect(await text('/api/chat', chat)).toBe(
    `${['Run ', '1: ', 'you ', 'said: ', 'hi'].map(line).join('')}${head}"message":{"role":"assistant","content":""},${end}\n`,
  )
})

test('generate has its words in "response"', async () => {
  const line = (word: string): string => `${head}"response":"${word}","done":false}\n`
  expect(await text('/api/generate', { model: 'llama', prompt: 'hi', stream: true })).toBe(
    `${['Run ', '1: ', 'you ', 'said: ', 'hi'].map(line).join('')}${head}"response":"",${end}\n`,
  )
})

test('plain with "stream": false', async () => {
  expect(await text('/api/chat', { ...chat, stream: false })).toBe(
    `${head}"message":{"role":"assistant","content":"Run 1: you said: hi"},${end}`,
  )
  expect(await text('/api/generate', { model: 'llama', prompt: 'hi', stream: false })).toBe(
    `${head}"response":"Run 2: you said: hi",${end}`,
  )
})

test('created_at is the time of the answer', async () => {
  const before = Date.now()
  const { created_at: at } = (await (await post('/api/chat', { ...chat, stream: false })).json()) as {
    created_at: string
  }
  expect(Date.parse(at)).toBeGreaterThanOrEqual(before)
  expect(Date.parse(at)).toBeLessThanOrEqual(Date.now())
})

test('num_predict bounds the words, unless it is negative; system and tools are taken', async () => {
  const bounded = (limit: number): object => ({
    model: 'llama',
    prompt: 'hi',
    system: 'be brief',
    stream: false,
    options: { num_predict: limit },
  })
  expect(await (await post('/api/generate', bounded(3))).json()).toMatchObject({
    response: 'Run 1: you',
    done_reason: 'length',
    prompt_eval_count: 3,
    eval_count: 3,
  })
  expect(await (await post('/api/generate', bounded(-1))).json()).toMatchObject({ response: 'Run 2: you said: hi' })
  const messages = [
    { role: 'user', content: 'hi', images: ['aGk='] },
    { role: 'assistant', content: '', tool_calls: [] },
  ]
  const answer = await post('/api/chat', { model: 'llama', messages, tools: [], stream: false })
  expect(await answer.json()).toMatchObject({ message: { content: 'Run 3: you said: hi' } })
})

test.each([
  ['/api/chat', 'no JSON', 'The body of the request is not a JSON object.'],
  ['/api/chat', chat.messages, 'The body of the request is not a JSON object.'],
  ['/api/chat', { messages: chat.messages }, 'model is required'],
  ['/api/chat', { model: 'llama' }, "'messages' is required: a list with at least one message."],
  ['/api/generate', { prompt: 'hi' }, 'model is required'],
  ['/api/generate', { model: 'llama', prompt: 7 }, "'prompt' must be a string."],
  ['/api/generate', { model: 7, prompt: 'hi' }, "'model' must be a string."],
  [
    '/api/generate',
    { model: 'llama', prompt: 'hi', options: { num_predict: 1.5 } },
    "'num_predict' must be a whole number.",
  ],
])('%s %j is a 400 in the format of Ollama', async (path, body, error) => {
  const response = await post(path, body)
  expect(response.status).toBe(400)
  expect(await response.text()).toBe(JSON.stringify({ error }))
})
