import type { Transcript } from './watching.ts'

const path = '/v1beta/models/gemini-2.5-flash:streamGenerateContent'
const events = { path, mediaType: 'text/event-stream' }
const array = { path, mediaType: 'application/json' }
const plain = { path: '/v1beta/models/gemini-2.5-flash:generateContent', mediaType: 'application/json' }
const model = 'gemini-2.5-flash'

const part = (candidate: string, usage: string): string =>
  `{"candidates": [{${candidate}}],"usageMetadata": {${usage}},"modelVersion": "${model}","responseId": "rT9"}`
const first = part(
  '"content": {"parts": [{"text": "\\"finishReason\\": \\"STOP\\" ünd"}],"role": "model"},"index": 0',
  '"promptTokenCount": 8,"totalTokenCount": 50,"thoughtsTokenCount": 40',
)
const last = part(
  '"content": {"parts": [{"text": " more"}],"role": "model"},"finishReason": "STOP","index": 0',
  '"promptTokenCount": 8,"candidatesTokenCount": 12,"totalTokenCount": 95,"cachedContentTokenCount": 5,"toolUsePromptTokenCount": 35,"thoughtsTokenCount": 40',
)
const usage = [43, 5, undefined, 52] as const
const blocked =
  '{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},"usageMetadata": {"promptTokenCount": 7,"totalTokenCount": 7},"modelVersion": "gemini-2.5-flash"}'
const error = '{"error": {"code": 503,"message": "The model is overloaded.","status": "UNAVAILABLE"}}'
const event = (data: string): string => `data: ${data}\r\n\r\n`
const pretty = (...texts: string[]): string =>
  `[${texts.map(text => JSON.stringify(JSON.parse(text), undefined, 2)).join('\n,\r\n')}\n]\n`
const candidate = (index: number, rest: string): string => `{"candidates":[{"index":${index}${rest}}]}`

/** @see https://ai.google.dev/api/generate-content */
export const geminiTranscripts: readonly Transcript[] = [
  {
    name: 'a stream of events',
    head: events,
    text: event(first) + event(last),
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage,
  },
  {
    name: 'a stream of events that all have a finishReason',
    head: events,
    text: event(last) + event(last),
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage,
  },
  {
    name: 'an array whose enums are numbers, as clients of Google Cloud ask for them',
    head: array,
    text: `[${candidate(0, ',"finishReason":0')},${candidate(0, ',"finishReason":1')}]`,
    verdict: 'complete',
    cut: 'incomplete',
  },
  {
    name: 'an array whose number is none yet',
    head: array,
    text: `[${candidate(0, ',"finishReason":0')}]`,
    verdict: 'incomplete',
  },
  {
    name: 'a stream of events without a finishReason',
    head: events,
    text: event(first) + event(first),
    verdict: 'incomplete',
    model,
    usage: [8, undefined, undefined, 40],
  },
  { name: 'a stream of nothing', head: events, text: '', verdict: 'incomplete' },
  {
    name: 'a finishReason that is none yet',
    head: events,
    text: event(candidate(0, ',"finishReason":"FINISH_REASON_UNSPECIFIED"')),
    verdict: 'incomplete',
  },
  {
    name: 'a prompt that was blocked',
    head: events,
    text: event(blocked),
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage: [7, undefined, undefined, undefined],
  },
  {
    name: 'two candidates, of which one was broken off',
    head: events,
    text: event(candidate(0, '')) + event(candidate(1, '')) + event(candidate(0, ',"finishReason":"MAX_TOKENS"')),
    verdict: 'incomplete',
  },
  {
    name: 'an error event',
    head: events,
    text: event(first) + event(error),
    verdict: 'error',
    model,
    usage: [8, undefined, undefined, 40],
  },
  {
    name: 'an error as bare JSON after an event',
    head: events,
    text: `${event(first)}${JSON.stringify(JSON.parse(error), undefined, 2)}\n`,
    verdict: 'error',
    cut: 'incomplete',
    model,
    usage: [8, undefined, undefined, 40],
  },
  { name: 'an error as a bare array', head: events, text: `[${error}]`, verdict: 'error', cut: 'incomplete' },
  {
    name: 'a stream as an array',
    head: array,
    text: pretty(first, last),
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage,
  },
  {
    name: 'an array on one line',
    head: array,
    text: `[${first},${last}]`,
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage,
  },
  { name: 'an array without its end', head: array, text: `[${first},${last}`, verdict: 'incomplete', model, usage },
  { name: 'an array with a comma too many', head: array, text: `[${last},]`, verdict: 'incomplete', model, usage },
  { name: 'an array and something after it', head: array, text: `[${last}] x`, verdict: 'incomplete', model, usage },
  {
    name: 'an array that ends in an item',
    head: array,
    text: `[${first},${last.slice(0, -1)}`,
    verdict: 'incomplete',
    model,
    usage: [8, undefined, undefined, 40],
  },
  {
    name: 'an array without a finishReason',
    head: array,
    text: pretty(first),
    verdict: 'incomplete',
    model,
    usage: [8, undefined, undefined, 40],
  },
  { name: 'an empty array', head: array, text: '[]', verdict: 'incomplete' },
  { name: 'an array of what is no object', head: array, text: `[1,${last}]`, verdict: 'incomplete' },
  { name: 'an error in an array', head: array, text: pretty(error), verdict: 'error' },
  {
    name: 'an error after parts, in an array',
    head: array,
    text: `[${first}\n,\r\n${error}\n]`,
    verdict: 'error',
    model,
    usage: [8, undefined, undefined, 40],
  },
  { name: 'an error in place of an array', head: array, text: error, verdict: 'error' },
  {
    name: 'a plain answer',
    head: plain,
    text: JSON.stringify(JSON.parse(last), undefined, 2),
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage,
  },
  {
    name: 'a plain answer to a prompt that was blocked',
    head: plain,
    text: blocked,
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage: [7, undefined, undefined, undefined],
  },
  { name: 'a plain error', head: plain, text: error, verdict: 'error', cut: 'incomplete' },
  { name: 'a plain error in an array', head: plain, text: `[${error}]`, verdict: 'error', cut: 'incomplete' },
  {
    name: 'an embedding',
    head: { ...plain, path: '/v1beta/models/gemini-embedding-001:embedContent' },
    text: '{"embedding": {"values": [-0.02, 0.01]}}',
    verdict: 'complete',
    cut: 'incomplete',
  },
  {
    name: 'a count of tokens, which used none',
    head: { ...plain, path: '/v1beta/models/gemini-2.5-flash:countTokens' },
    text: '{"totalTokens": 31,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 31}]}',
    verdict: 'complete',
    cut: 'incomplete',
  },
]
