import { type Answer, framesFrom, jsonAnswer, sseAnswer, typedFrame } from '../answer.ts'
import type { Endpoint } from '../endpoint.ts'
import { anthropicErrors, failureAt } from '../error-format.ts'
import { readMessagesRequest } from './anthropic-request.ts'
import { type Completion, modelEndpoint, textIn } from './model-endpoint.ts'
import type { ToolCall } from './prompt.ts'

/**
 * Anthropic's messages, plain and streamed, with the ping that its streams begin with. The run is named in `id`, in the
 * text and in `request-id`.
 * @see https://docs.anthropic.com/en/api/messages-streaming
 */
export const anthropicMessagesEndpoint: Endpoint = modelEndpoint({
  title: 'POST /v1/messages',
  about: 'Anthropic Messages, plain and "stream": true',
  path: /^\/v1\/messages$/,
  errors: anthropicErrors,
  read: ({ body }) => readMessagesRequest(body),
  plain,
  streamed,
})

function plain(completion: Completion): Answer {
  const { toolCall } = completion.prompt
  const content = [
    toolCall === undefined
      ? { type: 'text', text: textIn(completion) }
      : toolUse(completion, toolCall, JSON.parse(toolCall.argumentsText)),
  ]
  const usage = { ...inputUsage(completion), output_tokens: completion.outputTokens, service_tier: 'standard' }
  return jsonAnswer(200, { ...identity(completion), content, ...stop(completion), usage }, requestId(completion))
}

function streamed(completion: Completion): Answer {
  return sseAnswer({
    headers: requestId(completion),
    frames: framesFrom(() => framesOf(completion)),
    failAt: index => [typedFrame('error', anthropicErrors.body(failureAt(index)))],
  })
}

function* framesOf(completion: Completion): Generator<string> {
  const begun = { stop_reason: null, stop_sequence: null }
  const usage = { ...inputUsage(completion), output_tokens: 1, service_tier: 'standard' }
  yield typedFrame('message_start', { message: { ...identity(completion), content: [], ...begun, usage } })
  yield* blockFramesOf(completion)
  yield typedFrame('content_block_stop', { index: 0 })
  const delta = stop(completion)
  yield typedFrame('message_delta', { delta, usage: { output_tokens: completion.outputTokens } })
  yield typedFrame('message_stop')
}

/** The one block, but for its end: a delta a word, or a tool's name and then its input. */
function* blockFramesOf(completion: Completion): Generator<string> {
  const { toolCall } = completion.prompt
  const block = toolCall === undefined ? { type: 'text', text: '' } : toolUse(completion, toolCall, {})
  yield typedFrame('content_block_start', { index: 0, content_block: block })
  yield typedFrame('ping')
  if (toolCall !== undefined) {
    const delta = { type: 'input_json_delta', partial_json: toolCall.argumentsText }
    yield typedFrame('content_block_delta', { index: 0, delta })
    return
  }
  for (const text of completion.reply.words) {
    yield typedFrame('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
  }
}

function toolUse({ run }: Completion, { name }: ToolCall, input: unknown): object {
  return { type: 'tool_use', id: `toolu_sandbox_${run}`, name, input }
}

function identity({ run, prompt }: Completion): object {
  return { model: prompt.model, id: `msg_sandbox_${run}`, type: 'message', role: 'assistant' }
}

function stop({ prompt, reply }: Completion): object {
  const wordsEnd = reply.cut ? 'max_tokens' : 'end_turn'
  return { stop_reason: prompt.toolCall === undefined ? wordsEnd : 'tool_use', stop_sequence: null }
}

function inputUsage({ prompt }: Completion): object {
  return {
    input_tokens: prompt.inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  }
}

function requestId({ run }: Completion): Readonly<Record<string, string>> {
  return { 'request-id': `req_sandbox_${run}` }
}
