import { type Answer, framesFrom, jsonAnswer, sseAnswer, typedFrame } from '../answer.ts'
import type { Endpoint } from '../endpoint.ts'
import { failureAt, openaiErrors } from '../error-format.ts'
import { type Completion, modelEndpoint, textIn } from './model-endpoint.ts'
import { openaiRequestId } from './openai-head.ts'
import { type ResponsesPrompt, readResponsesRequest } from './openai-responses-request.ts'

type ResponsesCompletion = Completion<ResponsesPrompt>
type Status = 'in_progress' | 'completed' | 'incomplete'

/**
 * OpenAI's responses, plain and streamed: one message with one part of text. The run is named in both ids, in the text
 * and in `x-request-id`.
 * @see https://platform.openai.com/docs/api-reference/responses
 */
export const openaiResponsesEndpoint: Endpoint = modelEndpoint({
  title: 'POST /v1/responses',
  about: 'OpenAI Responses, plain and "stream": true',
  path: /^\/v1\/responses$/,
  errors: openaiErrors,
  read: ({ body }) => readResponsesRequest(body),
  plain,
  streamed,
})

function plain(completion: ResponsesCompletion): Answer {
  return jsonAnswer(200, response(completion, finalStatus(completion)), openaiRequestId(completion.run))
}

function streamed(completion: ResponsesCompletion): Answer {
  return sseAnswer({
    headers: openaiRequestId(completion.run),
    frames: framesFrom(() => framesOf(completion)),
    failAt: index => [failure(index)],
  })
}

/**
 * OpenAI nests the error, on which its SDK raises; the flat form of its reference goes by there as one more event.
 * @see https://github.com/openai/openai-node/pull/2021
 */
function failure(index: number): string {
  const { status, message } = failureAt(index)
  const error = { type: 'server_error', code: String(status), message, param: null }
  return typedFrame('error', { sequence_number: index, error })
}

function* framesOf(completion: ResponsesCompletion): Generator<string> {
  let sequence = 0
  const frame = (type: string, members: object): string => {
    sequence += 1
    return typedFrame(type, { sequence_number: sequence - 1, ...members })
  }
  const final = finalStatus(completion)
  const item = { item_id: messageId(completion), output_index: 0, content_index: 0 }
  yield frame('response.created', { response: response(completion, 'in_progress') })
  yield frame('response.in_progress', { response: response(completion, 'in_progress') })
  yield frame('response.output_item.added', { output_index: 0, item: message(completion, 'in_progress') })
  yield frame('response.content_part.added', { ...item, part: part('') })
  for (const delta of completion.reply.words) {
    yield frame('response.output_text.delta', { ...item, delta, logprobs: [] })
  }
  yield frame('response.output_text.done', { ...item, text: textIn(completion), logprobs: [] })
  yield frame('response.content_part.done', { ...item, part: part(textIn(completion)) })
  yield frame('response.output_item.done', { output_index: 0, item: message(completion, final) })
  yield frame(`response.${final}`, { response: response(completion, final) })
}

function finalStatus({ reply }: ResponsesCompletion): Status {
  return reply.cut ? 'incomplete' : 'completed'
}

function response(completion: ResponsesCompletion, status: Status): object {
  const { run, createdMs, prompt } = completion
  const ended = status !== 'in_progress'
  return {
    id: `resp_sandbox_${run}`,
    object: 'response',
    created_at: Math.floor(createdMs / 1000),
    status,
    background: false,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: prompt.instructions,
    max_output_tokens: Number.isFinite(prompt.maxWords) ? prompt.maxWords : null,
    max_tool_calls: null,
    model: prompt.model,
    output: ended ? [message(completion, status)] : [],
    parallel_tool_calls: true,
    previous_response_id: prompt.previousResponseId,
    reasoning: { effort: null, summary: null },
    service_tier: ended ? 'default' : 'auto',
    store: true,
    temperature: 1,
    text: { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: 1,
    truncation: 'disabled',
    usage: ended ? usage(completion) : null,
    user: null,
    metadata: prompt.metadata,
  }
}

function message(completion: ResponsesCompletion, status: Status): object {
  const content = status === 'in_progress' ? [] : [part(textIn(completion))]
  return { id: messageId(completion), type: 'message', status, content, role: 'assistant' }
}

function messageId({ run }: ResponsesCompletion): string {
  return `msg_sandbox_${run}`
}

function part(text: string): object {
  return { type: 'output_text', annotations: [], logprobs: [], text }
}

function usage({ prompt, outputTokens }: ResponsesCompletion): object {
  return {
    input_tokens: prompt.inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: prompt.inputTokens + outputTokens,
  }
}
