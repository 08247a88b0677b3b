import { type Answer, framesFrom, jsonAnswer } from '../answer.ts'
import type { Endpoint } from '../endpoint.ts'
import { failureAt, ollamaErrors } from '../error-format.ts'
import { type Completion, type ModelFormat, modelEndpoint, textIn } from './model-endpoint.ts'
import { readOllamaChatRequest, readOllamaGenerateRequest } from './ollama-request.ts'
import type { Prompt } from './prompt.ts'

/** Puts words where the endpoint has them. */
type Wrap = (text: string) => object

const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' }

/**
 * Ollama's chat: a line of JSON a word, the last one with the counts. The run is named in the text.
 * @see https://github.com/ollama/ollama/blob/main/docs/api.md
 */
export const ollamaChatEndpoint: Endpoint = modelEndpoint({
  title: 'POST /api/chat',
  about: 'Ollama chat: lines of JSON, or plain with "stream": false',
  path: /^\/api\/chat$/,
  read: ({ body }) => readOllamaChatRequest(body),
  ...answers(content => ({ message: { role: 'assistant', content } })),
})

/** Ollama's generate: the same with a prompt in place of messages. */
export const ollamaGenerateEndpoint: Endpoint = modelEndpoint({
  title: 'POST /api/generate',
  about: 'Ollama generate: lines of JSON, or plain with "stream": false',
  path: /^\/api\/generate$/,
  read: ({ body }) => readOllamaGenerateRequest(body),
  ...answers(response => ({ response })),
})

function answers(wrap: Wrap): Pick<ModelFormat<Prompt>, 'errors' | 'plain' | 'streamed'> {
  return {
    errors: ollamaErrors,
    plain: completion =>
      jsonAnswer(200, { ...head(completion), ...wrap(textIn(completion)), ...end(completion) }, JSON_HEADERS),
    streamed: completion => streamed(completion, wrap),
  }
}

function streamed(completion: Completion, wrap: Wrap): Answer {
  return {
    kind: 'stream',
    headers: { 'content-type': 'application/x-ndjson' },
    frames: framesFrom(function* () {
      for (const word of completion.reply.words) yield line({ ...head(completion), ...wrap(word), done: false })
      yield line({ ...head(completion), ...wrap(''), ...end(completion) })
    }),
    failAt: index => [line(ollamaErrors.body(failureAt(index)))],
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

function head({ prompt, createdMs }: Completion): object {
  return { model: prompt.model, created_at: new Date(createdMs).toISOString() }
}

/** Durations are in nanoseconds and made up: a millisecond a token. */
function end({ prompt, reply, outputTokens }: Completion): object {
  const promptNs = prompt.inputTokens * 1_000_000
  const replyNs = outputTokens * 1_000_000
  return {
    done: true,
    done_reason: reply.cut ? 'length' : 'stop',
    total_duration: promptNs + replyNs,
    load_duration: 0,
    prompt_eval_count: prompt.inputTokens,
    prompt_eval_duration: promptNs,
    eval_count: outputTokens,
    eval_duration: replyNs,
  }
}
