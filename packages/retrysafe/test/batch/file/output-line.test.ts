import { expect, test } from 'vitest'
import { BatchRefusal } from '../../../src/batch/file/batch-line.ts'
import {
  answerLine,
  batchTag,
  errorLine,
  outputId,
  readOutputLine,
  refusalLine,
} from '../../../src/batch/file/output-line.ts'

// printf nightly | sha256sum; printf 'nightly:a' | sha256sum
const tag = 'batch_req_2a3b62b53ddb9f16'
const id = `${tag}2affa73de36db7c1a9c95fc8b8446e3b`
const plain = { requestId: 'r-1', status: 200, replayed: false } as const

test('an id names the batch, then the item', () => {
  expect(batchTag('nightly')).toBe(tag)
  expect(outputId(tag, 'nightly:a')).toBe(id)
})

test('a line is that of the OpenAI Batch output, and the body stays as it came', () => {
  const body = '{"n": 9007199254740993, "n": 1e400}'
  expect(answerLine(id, 'a"\n', { ...plain, body })).toBe(
    `{"id":"${id}","custom_id":"a\\"\\n","response":{"status_code":200,"request_id":"r-1","body":${body}},"error":null}\n`,
  )
})

test('a body of several lines comes on one; one that is no JSON comes as a string', () => {
  const line = (body: string): unknown => JSON.parse(answerLine(id, 'a', { ...plain, body }).slice(0, -1)).response.body
  expect(answerLine(id, 'a', { ...plain, body: '{\r\n  "a": "\\n"\n}\n' })).toContain('"body":{   "a": "\\n" } }')
  expect(line('{\r\n  "a": "\\n"\n}\n')).toEqual({ a: '\n' })
  expect(line('plain\ntext')).toBe('plain\ntext')
  expect(line('')).toBe('')
})

test('a failure with an answer has it, one without says why', () => {
  const refusal = new BatchRefusal({ status: 400, headers: {}, requestId: undefined, body: '{"error":1}' })
  expect(refusalLine(id, 'a', refusal)).toBe(
    `{"id":"${id}","custom_id":"a","response":{"status_code":400,"request_id":null,"body":{"error":1}},"error":null}\n`,
  )
  expect(errorLine(id, 'a', 'OUTCOME_UNKNOWN', 'who\nknows')).toBe(
    `{"id":"${id}","custom_id":"a","response":null,"error":{"code":"OUTCOME_UNKNOWN","message":"who\\nknows"}}\n`,
  )
})

test.each([
  ['{"model":"gpt-x","usage":{"prompt_tokens":3,"completion_tokens":4}}', 'gpt-x', 3, 4],
  ['{"object":"response","model":"gpt-y","usage":{"input_tokens":5,"output_tokens":6}}', 'gpt-y', 5, 6],
  [
    '{"type":"message","model":"claude","usage":{"input_tokens":1,"cache_read_input_tokens":6,"output_tokens":8}}',
    'claude',
    7,
    8,
  ],
  ['{"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":10},"modelVersion":"gemini"}', 'gemini', 9, 10],
  ['{"model":"llama","done":true,"prompt_eval_count":11,"eval_count":12}', 'llama', 11, 12],
  ['{"x":1}', undefined, undefined, undefined],
])('what an answer used is read from its line: %s', (body, model, inputTokens, outputTokens) => {
  const line = readOutputLine(Buffer.from(answerLine(id, 'a', { ...plain, body })), tag)
  if (line.kind !== 'ours') throw new Error(line.kind)
  expect(line.keyHash).toBe(id.slice(tag.length))
  expect(line.answer).toMatchObject({ ...plain, body })
  expect([line.answer?.model, line.answer?.usage?.inputTokens, line.answer?.usage?.outputTokens]).toEqual([
    model,
    inputTokens,
    outputTokens,
  ])
})

test('lines of others are told from lines that cannot be read', () => {
  const kindOf = (text: string): string => readOutputLine(Buffer.from(text), tag).kind
  const ours = answerLine(id, 'a', { ...plain, body: '{}' })
  expect(kindOf(ours)).toBe('ours')
  expect(kindOf(errorLine(id, 'a', 'X', 'y'))).toBe('ours')
  expect(kindOf(answerLine(outputId(batchTag('other'), 'k'), 'a', { ...plain, body: '{}' }))).toBe('foreign')
  expect(kindOf(`{"id":"${tag}xyz"}`)).toBe('foreign')
  expect(kindOf('{"id":"batch_req_abc","custom_id":"a"}')).toBe('foreign')
  expect(kindOf('[]')).toBe('foreign')
  for (let length = 0; length < ours.length - 2; length++) expect(kindOf(ours.slice(0, length))).toBe('unreadable')
})
