import { type Answer, framesFrom, sseAnswer } from '../answer.ts'
import type { Call, Endpoint } from '../endpoint.ts'
import { failureAt, geminiErrors } from '../error-format.ts'
import { readContentRequest } from './gemini-request.ts'
import { type Completion, modelEndpoint, textIn } from './model-endpoint.ts'
import type { Prompt } from './prompt.ts'

interface GeminiPrompt extends Prompt {
  readonly sse: boolean
}

const JSON_HEADERS = { 'content-type': 'application/json; charset=UTF-8' }

/**
 * Gemini's generateContent. The run is named in `responseId` and in the text.
 * @see https://ai.google.dev/api/generate-content
 */
export const geminiGenerateEndpoint: Endpoint = modelEndpoint({
  title: 'POST /v1beta/models/{model}:generateContent',
  about: 'Gemini; /v1 and /v1alpha too',
  path: /^\/v1(?:alpha|beta)?\/models\/([^/:]{1,255}):generateContent$/,
  errors: geminiErrors,
  read: call => readContentRequest(call, false),
  plain,
  streamed: plain,
})

/** Gemini's streamGenerateContent: an event stream with `alt=sse`, else the elements of one JSON array. */
export const geminiStreamEndpoint: Endpoint = modelEndpoint<GeminiPrompt>({
  title: 'POST /v1beta/models/{model}:streamGenerateContent',
  about: 'Gemini, streamed: server-sent events with ?alt=sse, else a JSON array',
  path: /^\/v1(?:alpha|beta)?\/models\/([^/:]{1,255}):streamGenerateContent$/,
  errors: geminiErrors,
  read: readStreamRequest,
  plain,
  streamed: completion => (completion.prompt.sse ? streamedEvents(completion) : streamedArray(completion)),
})

function readStreamRequest(call: Call): ReturnType<typeof readContentRequest> & { readonly prompt?: GeminiPrompt } {
  const reading = readContentRequest(call, true)
  return reading.kind === 'valid' ? { kind: 'valid', prompt: { ...reading.prompt, sse: call.alt === 'sse' } } : reading
}

function plain(completion: Completion): Answer {
  const body = content(completion, textIn(completion), completion.reply.words.length, true)
  return { kind: 'plain', status: 200, headers: JSON_HEADERS, body: Buffer.from(`${pretty(body)}\n`) }
}

/** Lines end with CR LF, as Google sends them. */
function streamedEvents(completion: Completion): Answer {
  const event = (value: object): string => `data: ${JSON.stringify(value)}\r\n\r\n`
  return sseAnswer({
    headers: { 'content-type': 'text/event-stream' },
    frames: framesFrom(function* () {
      for (const chunk of chunksOf(completion)) yield event(chunk)
    }),
    failAt: index => [event(geminiErrors.body(failureAt(index)))],
  })
}

/** The closing bracket is a frame of its own, and the terminal one. */
function streamedArray(completion: Completion): Answer {
  const element = (value: object, index: number): string => `${index === 0 ? '[' : ',\r\n'}${pretty(value)}\n`
  return {
    kind: 'stream',
    headers: JSON_HEADERS,
    frames: framesFrom(function* () {
      let index = 0
      for (const chunk of chunksOf(completion)) {
        yield element(chunk, index)
        index += 1
      }
      yield ']\n'
    }),
    failAt: index => [element(geminiErrors.body(failureAt(index)), index), ']\n'],
  }
}

/** A chunk a word; the last one has the finish reason. Each has the usage so far. */
function* chunksOf(completion: Completion): Generator<object> {
  const { words } = completion.reply
  for (const [at, word] of words.entries()) yield content(completion, word, at + 1, at === words.length - 1)
}

function content(completion: Completion, text: string, wordsSoFar: number, last: boolean): object {
  const { prompt, reply, run } = completion
  const reason = last ? { finishReason: reply.cut ? 'MAX_TOKENS' : 'STOP' } : {}
  const candidates = Array.from({ length: prompt.choices }, (_, index) => ({
    content: { parts: [{ text }], role: 'model' },
    ...reason,
    index,
  }))
  const candidatesTokenCount = wordsSoFar * prompt.choices
  const usageMetadata = {
    promptTokenCount: prompt.inputTokens,
    candidatesTokenCount,
    totalTokenCount: prompt.inputTokens + candidatesTokenCount,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: prompt.inputTokens }],
  }
  return { candidates, usageMetadata, modelVersion: prompt.model, responseId: `sandbox-${run}` }
}

/** Google indents JSON by two spaces, so that a frame holds line breaks. */
function pretty(value: object): string {
  return JSON.stringify(value, null, 2)
}
