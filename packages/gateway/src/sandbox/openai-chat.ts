import { type Answer, errorAnswer, jsonAnswer } from './answer.ts'
import type { Endpoint } from './endpoint.ts'
import { type ChatRequest, readChatRequest } from './openai-chat-request.ts'
import { type Reply, replyTo } from './words.ts'

/** What one run says, ready for either form of the answer. */
interface Completion {
  readonly run: number
  readonly created: number
  readonly request: ChatRequest
  readonly reply: Reply
}

/**
 * OpenAI's chat completions, plain and streamed. Each choice says the same words; the run is named in `id`, in the
 * text and in `x-request-id`.
 * @see https://platform.openai.com/docs/api-reference/chat
 */
export const openaiChatEndpoint: Endpoint = {
  title: 'POST /v1/chat/completions',
  about: 'OpenAI chat, plain and "stream": true',
  path: /^\/v1\/chat\/completions$/,
  work: ({ body }, next) => {
    const reading = readChatRequest(body)
    if (reading.kind === 'invalid') {
      return { kind: 'rejected', answer: errorAnswer({ ...reading, status: 400 }) }
    }
    const { request } = reading
    const reply = replyTo(request.said, next.run, request.maxWords)
    const completion = { run: next.run, created: Math.floor(Date.now() / 1000), request, reply }
    return {
      kind: 'ran',
      usage: { inputTokens: request.promptTokens, outputTokens: outputTokens(completion) },
      answer: request.stream ? streamed(completion) : plain(completion),
    }
  },
}

function plain(completion: Completion): Answer {
  const content = completion.reply.words.join('')
  const choices = Array.from({ length: completion.request.choices }, (_, index) => ({
    index,
    message: { role: 'assistant', content, refusal: null },
    logprobs: null,
    finish_reason: finishReason(completion),
  }))
  const body = { ...identity(completion, 'chat.completion'), choices, usage: usage(completion) }
  return jsonAnswer(200, body, { 'x-request-id': requestId(completion) })
}

function streamed(completion: Completion): Answer {
  return {
    kind: 'stream',
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-request-id': requestId(completion),
    },
    frames: framesOf(completion),
  }
}

/** Choice by choice: the role, a frame per word, the finish reason; then the usage if it was asked for, and the end. */
function* framesOf(completion: Completion): Generator<string> {
  const { request, reply } = completion
  const head = identity(completion, 'chat.completion.chunk')
  // OpenAI sends `usage: null` on every chunk but the last once usage was asked for, and no member otherwise.
  const noUsage = request.includeUsage ? { usage: null } : {}
  const frame = (index: number, delta: object, reason: string | null): string =>
    dataFrame({ ...head, choices: [{ index, delta, logprobs: null, finish_reason: reason }], ...noUsage })
  for (let index = 0; index < request.choices; index += 1) {
    yield frame(index, { role: 'assistant', content: '', refusal: null }, null)
    for (const word of reply.words) yield frame(index, { content: word }, null)
    yield frame(index, {}, finishReason(completion))
  }
  if (request.includeUsage) yield dataFrame({ ...head, choices: [], usage: usage(completion) })
  yield 'data: [DONE]\n\n'
}

function dataFrame(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

function identity({ run, created, request }: Completion, object: string): object {
  return { id: `chatcmpl-sandbox-${run}`, object, created, model: request.model, system_fingerprint: 'fp_sandbox' }
}

function requestId({ run }: Completion): string {
  return `req-sandbox-${run}`
}

function finishReason({ reply }: Completion): string {
  return reply.cut ? 'length' : 'stop'
}

function outputTokens({ request, reply }: Completion): number {
  return reply.words.length * request.choices
}

function usage(completion: Completion): object {
  const { promptTokens } = completion.request
  const completionTokens = outputTokens(completion)
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}
