import { describe, expect, it } from 'vitest'
import { isStream, selectWatcher } from '../../src/providers/select.ts'

function verdictOf(path: string, mediaType: string, text: string): string {
  const watcher = selectWatcher({ path, mediaType })
  watcher.write(Buffer.from(text))
  return watcher.end(true).kind
}

/** Each is whole by one rule alone. */
const whole = {
  chat: 'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
  response: 'data: {"type":"response.completed"}\n\n',
  transcription: 'data: {"type":"transcript.text.done"}\n\n',
  speech: 'data: {"type":"speech.audio.done"}\n\n',
  message: 'data: {"type":"message_stop"}\n\n',
  gemini: 'data: {"candidates":[{"finishReason":"STOP"}]}\n\n',
  geminiArray: '[{"candidates":[{"finishReason":"STOP"}]}]',
  ollama: '{"done":true}\n',
}
const sse = 'text/event-stream'

describe('the path and the media type tell the API', () => {
  it.each([
    ['/v1/chat/completions', sse, whole.chat],
    ['/chat/completions', sse, whole.chat],
    ['/openrouter/api/v1/chat/completions/', sse, whole.chat],
    ['/openai/deployments/my-gpt.4/chat/completions', sse, whole.chat],
    ['/openai/deployments/my-gpt.4/completions', sse, whole.chat],
    ['/v1/completions', sse, whole.chat],
    ['/v1/responses', sse, whole.response],
    ['/openai/v1/responses', sse, whole.response],
    ['/v1/audio/transcriptions', sse, whole.transcription],
    ['/openai/deployments/w/audio/translations', sse, whole.transcription],
    ['/v1/audio/speech', sse, whole.speech],
    ['/v1/messages', sse, whole.message],
    ['/anthropic/v1/messages', sse, whole.message],
    ['/v1/projects/p/locations/l/publishers/anthropic/models/c@1:streamRawPredict', sse, whole.message],
    ['/v1/models/c:rawPredict', sse, whole.message],
    ['/v1beta/models/g:streamGenerateContent', sse, whole.gemini],
    ['/gemini/v1beta/models/g:streamGenerateContent', 'application/json', whole.geminiArray],
    ['/v1beta/models/g%3AstreamGenerateContent', 'application/json', whole.geminiArray],
    ['/api/chat', 'application/x-ndjson', whole.ollama],
    ['/ollama/api/generate', 'application/x-ndjson', whole.ollama],
  ])('%s as %s', (path, mediaType, text) => {
    expect(verdictOf(path, mediaType, text)).toBe('complete')
    // vLLM ends a transcription as it ends a chat.
    const twin = text === whole.transcription ? whole.chat : text
    const others = Object.values(whole).filter(other => other !== text && other !== twin)
    expect(others.map(other => verdictOf(path, mediaType, other))).not.toContain('complete')
  })

  it.each([
    '/v1/chat/completions',
    '/v1/completions',
    '/v1/responses',
    '/v1/embeddings',
    '/v1/audio/transcriptions',
    '/v1/audio/speech',
    '/v1/messages',
    '/v1/models/g:generateContent',
    '/v1beta/models/g:embedContent',
    '/v1beta/models/g:batchEmbedContents',
    '/v1beta/models/g:countTokens',
    '/api/chat',
    '/api/embed',
    '/api/embeddings',
    '/api/v1/embeddings',
  ])('%s as JSON', path => {
    for (const mediaType of ['application/json', 'application/problem+json']) {
      expect(verdictOf(path, mediaType, '{"id":1}')).toBe('complete')
      expect(verdictOf(path, mediaType, '{"id":1')).toBe('incomplete')
      expect(verdictOf(path, mediaType, '{"error":{}}')).toBe('error')
    }
  })
})

describe('what an API never sends is never whole', () => {
  it.each([
    ['/v1/chat/completions', 'text/plain', whole.chat],
    ['/v1/chat/completions', '', whole.chat],
    ['/v1/chat/completions', 'text/html', '<html></html>'],
    ['/v1/completions', 'application/x-ndjson', whole.ollama],
    ['/openai/responses', 'text/html', '<html></html>'],
    ['/v1/embeddings', sse, whole.chat],
    ['/v1/embeddings', 'text/html', '<html></html>'],
    ['/v1/audio/transcriptions', 'text/html', '<html></html>'],
    ['/v1/audio/transcriptions', 'audio/mpeg', 'x'],
    ['/v1/audio/speech', 'text/plain', 'x'],
    ['/v1/messages', 'text/html', '<html></html>'],
    ['/v1/messages', 'application/octet-stream', whole.message],
    ['/v1beta/models/g:generateContent', sse, whole.gemini],
    ['/v1beta/models/g:streamGenerateContent', '', whole.geminiArray],
  ])('%s as %j', (path, mediaType, text) => {
    expect(verdictOf(path, mediaType, text)).toBe('incomplete')
    expect(isStream({ path, mediaType })).toBe(true)
  })
})

describe('nothing is known of the rest: a clean end is a whole answer', () => {
  it.each([
    ['/api/messages', sse, 'data: a\n\n'],
    ['/api/messages', 'application/json', '{'],
    ['/v1/threads/thread_1/messages', sse, 'data: a\n\n'],
    ['/v1/messages/batches', 'application/json', '{'],
    ['/v1/models/m:predict', 'application/json', '{'],
    ['/v1/projects/p/publishers/mistralai/models/m:streamRawPredict', sse, 'data: a\n\n'],
    ['/v1/chat/completions/x', sse, 'data: a\n\n'],
    ['/effects/embeddings', 'text/html', '<p>done</p>'],
    ['/survey/responses', '', ''],
    // The Vercel AI SDK has its applications answer so.
    ['/api/chat', sse, 'data: {"type":"finish"}\n\ndata: [DONE]\n\n'],
    ['/', 'text/html', '<html>'],
    ['/x', '', ''],
  ])('%s as %j', (path, mediaType, text) => {
    const watcher = selectWatcher({ path, mediaType })
    watcher.write(Buffer.from(text))
    expect([watcher.terminalAtBytes, watcher.heldFromBytes]).toEqual([undefined, undefined])
    expect(watcher.end(true).kind).toBe('complete')
    expect(watcher.report).toEqual({ model: undefined, usage: undefined })
    expect(verdictOf(path, mediaType, text)).toBe('complete')
    expect(selectWatcher({ path, mediaType }).end(false).kind).toBe('incomplete')
  })
})

describe('isStream', () => {
  it.each([
    ['/v1/chat/completions', sse, true],
    ['/v1/chat/completions', 'application/json', false],
    ['/v1beta/models/g:streamGenerateContent', 'application/json', true],
    ['/v1beta/models/g:generateContent', 'application/json', false],
    ['/api/chat', 'application/x-ndjson', true],
    ['/api/chat', 'application/json', false],
    ['/v1/audio/speech', 'audio/mpeg', true],
    ['/x', 'application/json', false],
    ['/x', 'application/vnd.api+json', false],
    ['/x', sse, true],
    ['/x', 'text/plain', true],
    ['/x', '', true],
  ])('%s as %j: %s', (path, mediaType, expected) => {
    expect(isStream({ path, mediaType })).toBe(expected)
  })
})

describe('events of an API that nobody knows', () => {
  const head = { path: '/own/events', mediaType: sse }

  it.each([
    ['complete', 'data: anything\n\n'],
    ['complete', 'no event at all'],
    // A failed call of a tool, say, is an answer.
    ['complete', 'data: {"jsonrpc":"2.0","id":1,"error":{"code":-32000}}\n\n'],
    ['complete', 'data: event: error\n\n'],
    ['error', 'data: a\n\nevent: error\ndata: b\n\n'],
    ['error', 'event:error\r\ndata: b\r\n\r\ndata: c\r\n\r\n'],
  ])('are %s: %j', (verdict, text) => {
    expect(verdictOf(head.path, sse, text)).toBe(verdict)
    expect(isStream(head)).toBe(true)
  })

  it('are not held back, and incomplete when they are cut', () => {
    const watcher = selectWatcher(head)
    watcher.write(Buffer.from('data: a\n\nevent: err'))
    expect([watcher.heldFromBytes, watcher.terminalAtBytes, watcher.isOver]).toEqual([undefined, undefined, false])
    expect(watcher.end(false).kind).toBe('incomplete')
  })
})
