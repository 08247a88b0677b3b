import type { Transcript } from './watching.ts'

const stream = { path: '/v1/responses', mediaType: 'text/event-stream' }
const json = { path: '/openai/responses/', mediaType: 'application/json' }
const model = 'gpt-4.1-2025-04-14'

const event = (type: string, rest: string): string => `event: ${type}\ndata: {"type":"${type}",${rest}}\n\n`
const response = (status: string, rest = '"usage":null'): string =>
  `"response":{"id":"resp_67c9","object":"response","status":"${status}","error":null,"model":"${model}","output":[{"type":"message","content":[{"text":"a"}]}],${rest}}`
const usage =
  '"usage":{"input_tokens":37,"input_tokens_details":{"cached_tokens":30},"output_tokens":11,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":48}'
const created = event('response.created', `${response('in_progress')},"sequence_number":0`)
const delta = event(
  'response.output_text.delta',
  '"item_id":"msg_67c9","output_index":0,"content_index":0,"delta":"event: response.completed\\n\\n","sequence_number":4',
)
const completed = event('response.completed', `${response('completed', usage)},"sequence_number":9`)
const failed = event(
  'response.failed',
  `"response":{"status":"failed","error":{"code":"server_error"},"model":"${model}","usage":null},"sequence_number":5`,
)
const error = event('error', '"code":"ERR_SOMETHING","message":"Something went wrong","param":null,"sequence_number":6')

/** @see https://platform.openai.com/docs/api-reference/responses-streaming */
export const openAiResponsesTranscripts: readonly Transcript[] = [
  {
    name: 'a stream',
    head: stream,
    text: created + delta + completed,
    verdict: 'complete',
    terminal: 'event: response.completed\n',
    model,
    usage: [37, 30, undefined, 11],
  },
  {
    name: 'a stream without event lines',
    head: stream,
    text: (created + delta + completed).replaceAll(/^event: .*\n/gm, ''),
    verdict: 'complete',
    terminal: 'data: {"type":"response.completed"',
    model,
    usage: [37, 30, undefined, 11],
  },
  {
    name: 'a stream that came to its limit',
    head: stream,
    text: created + delta + event('response.incomplete', response('incomplete', usage)),
    verdict: 'complete',
    terminal: 'event: response.incomplete',
    model,
    usage: [37, 30, undefined, 11],
  },
  { name: 'a stream that failed', head: stream, text: created + delta + failed, verdict: 'error', model },
  { name: 'a stream that failed, and an error', head: stream, text: created + failed + error, verdict: 'error', model },
  { name: 'an error first of all', head: stream, text: error, verdict: 'error' },
  {
    name: 'an error without an event line',
    head: stream,
    text: error.slice('event: error\n'.length),
    verdict: 'error',
  },
  {
    name: 'an error after the end',
    head: stream,
    text: completed + error,
    verdict: 'error',
    terminal: 'event: response.completed\n',
    model,
    usage: [37, 30, undefined, 11],
  },
  { name: 'a stream without its end', head: stream, text: created + delta, verdict: 'incomplete', model },
  {
    name: 'a stream whose last event is not there to its end',
    head: stream,
    text: created + completed.slice(0, -4),
    verdict: 'incomplete',
    model,
  },
  {
    name: 'a last event that only its clean end ends',
    head: stream,
    text: created + completed.slice(0, -2),
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage: [37, 30, undefined, 11],
  },
  ...(['completed', 'incomplete', 'queued', 'in_progress'] as const).map(
    (status): Transcript => ({
      name: `a plain answer that is ${status}`,
      head: json,
      text: `{"id":"resp_1","object":"response","status":"${status}","error":null,"model":"${model}",${usage}}`,
      verdict: 'complete',
      cut: 'incomplete',
      model,
      usage: [37, 30, undefined, 11],
    }),
  ),
  ...(['failed', 'cancelled'] as const).map(
    (status): Transcript => ({
      name: `a plain answer that is ${status}`,
      head: json,
      text: `{"id":"resp_1","object":"response","status":"${status}","error":null,"model":"${model}","usage":null}`,
      verdict: 'error',
      cut: 'incomplete',
      model,
    }),
  ),
  {
    name: "an application's own status",
    head: json,
    text: '{"object":"survey","status":"failed"}',
    verdict: 'complete',
    cut: 'incomplete',
  },
]
