import { type Answer, dataFrame, framesFrom, jsonAnswer, sseAnswer } from '../answer.ts'
import type { Endpoint } from '../endpoint.ts'
import { failureAt, openaiErrors } from '../error-format.ts'
import { type Completion, modelEndpoint, textIn } from './model-endpoint.ts'
import { type ChatPrompt, readChatRequest } from './openai-chat-request.ts'
import { openaiRequestId } from './openai-head.ts'
import type { ToolCall } from './prompt.ts'

type ChatCompletion = Completion<ChatPrompt>

/**
 * OpenAI's chat completions, plain and streamed. Each choice says the same words; the run is named in `id`, in the
 * text and in `x-request-id`.
 * @see https://platform.openai.com/docs/api-reference/chat
 */
export const openaiChatEndpoint: Endpoint = modelEndpoint({
  title: 'POST /v1/chat/completions',
  about: 'OpenAI chat, plain and "stream": true',
  path: /^\/v1\/chat\/completions$/,
  errors: openaiErrors,
  read: ({ body }) => readChatRequest(body),
  plain,
  streamed,
})

function plain(completion: ChatCompletion): Answer {
  const choices = Array.from({ length: completion.prompt.choices }, (_, index) => ({
    index,
    message: { role: 'assistant', ...message(completion), refusal: null },
    logprobs: null,
    finish_reason: finishReason(completion),
  }))
  const body = { ...identity(completion, 'chat.completion'), choices, usage: usage(completion) }
  return jsonAnswer(200, body, openaiRequestId(completion.run))
}

function streamed(completion: ChatCompletion): Answer {
  return sseAnswer({
    headers: openaiRequestId(completion.run),
    frames: framesFrom(() => framesOf(completion)),
    failAt: index => [dataFrame(openaiErrors.body(failureAt(index)))],
  })
}

/** Choice by choice the words or the tool call, and the finish reason; then the usage if it was asked for, and the end. */
function* framesOf(completion: ChatCompletion): Generator<string> {
  const { prompt } = completion
  const head = identity(completion, 'chat.completion.chunk')
  // OpenAI sends `usage: null` on every chunk but the last once usage was asked for, and no member otherwise.
  const noUsage = prompt.includeUsage ? { usage: null } : {}
  const frame = (index: number, delta: object, reason: string | null): string =>
    dataFrame({ ...head, choices: [{ index, delta, logprobs: null, finish_reason: reason }], ...noUsage })
  for (let index = 0; index < prompt.choices; index += 1) {
    for (const delta of deltasOf(completion)) yield frame(index, delta, null)
    yield frame(index, {}, finishReason(completion))
  }
  if (prompt.includeUsage) yield dataFrame({ ...head, choices: [], usage: usage(completion) })
  yield 'data: [DONE]\n\n'
}

function message(completion: ChatCompletion): object {
  const { prompt, run } = completion
  if (prompt.toolCall === undefined) return { content: textIn(completion) }
  return { content: null, tool_calls: [toolCall(prompt.toolCall, run)] }
}

/** The role, then a delta a word; or the head of a tool call, then its arguments. */
function* deltasOf({ prompt, reply, run }: ChatCompletion): Generator<object> {
  if (prompt.toolCall === undefined) {
    yield { role: 'assistant', content: '', refusal: null }
    for (const word of reply.words) yield { content: word }
    return
  }
  const begun = { index: 0, ...toolCall({ ...prompt.toolCall, argumentsText: '' }, run) }
  yield { role: 'assistant', content: null, tool_calls: [begun], refusal: null }
  yield { tool_calls: [{ index: 0, function: { arguments: prompt.toolCall.argumentsText } }] }
}

function toolCall({ name, argumentsText }: ToolCall, run: number): object {
  return { id: `call_sandbox_${run}`, type: 'function', function: { name, arguments: argumentsText } }
}

function identity({ run, createdMs, prompt }: ChatCompletion, object: string): object {
  const created = Math.floor(createdMs / 1000)
  return { id: `chatcmpl-sandbox-${run}`, object, created, model: prompt.model, system_fingerprint: 'fp_sandbox' }
}

function finishReason({ prompt, reply }: ChatCompletion): string {
  if (prompt.toolCall !== undefined) return 'tool_calls'
  return reply.cut ? 'length' : 'stop'
}

function usage({ prompt, outputTokens }: ChatCompletion): object {
  return {
    prompt_tokens: prompt.inputTokens,
    completion_tokens: outputTokens,
    total_tokens: prompt.inputTokens + outputTokens,
  }
}
