import type { Transcript } from './watching.ts'

const stream = { path: '/v1/messages', mediaType: 'text/event-stream' }
const json = { path: '/v1/messages', mediaType: 'application/json' }
const model = 'claude-sonnet-4-5-20250929'

const start = (usage: string): string =>
  `event: message_start\ndata: {"type": "message_start", "message": {"id": "msg_1nZ", "type": "message", "role": "assistant", "content": [], "model": "${model}", "stop_reason": null, "stop_sequence": null, "usage": ${usage}}}\n\n`
const begun =
  'event: content_block_start\ndata: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}\n\n'
const ping = 'event: ping\ndata: {"type": "ping"}\n\n'
const text =
  'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hé\\n\\nevent: message_stop\\ndata: {\\"type\\":\\"message_stop\\"}\\n\\n"}}\n\n'
const ended = 'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 0}\n\n'
const delta = (usage: string): string =>
  `event: message_delta\ndata: {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence":null}, "usage": ${usage}}\n\n`
const stop = 'event: message_stop\ndata: {"type": "message_stop"}\n\n'
const error =
  'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'

/** @see https://docs.anthropic.com/en/api/messages-streaming */
export const anthropicTranscripts: readonly Transcript[] = [
  {
    name: 'a stream that read from a cache and wrote to it',
    head: stream,
    text: `${start('{"input_tokens": 25, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 1000, "output_tokens": 1}')}${begun}${ping}${text}${ended}${delta('{"output_tokens": 15}')}${stop}`,
    verdict: 'complete',
    terminal: 'event: message_stop',
    model,
    usage: [1225, 1000, 200, 15],
  },
  {
    name: 'a stream whose input grows by what a tool finds, with CRLF',
    head: stream,
    text: `${start('{"input_tokens":2679,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}')}${text}${delta('{"input_tokens":10682,"cache_creation_input_tokens":null,"cache_read_input_tokens":0,"output_tokens":510,"server_tool_use":{"web_search_requests":1}}')}${stop}`.replaceAll(
      '\n',
      '\r\n',
    ),
    verdict: 'complete',
    terminal: 'event: message_stop',
    model,
    usage: [10682, 0, 0, 510],
  },
  {
    name: 'a stream of a model that knows no cache',
    head: { ...stream, path: '/anthropic/v1/messages/' },
    text: start('{"input_tokens":25,"output_tokens":1}') + text + delta('{"output_tokens":15}') + stop,
    verdict: 'complete',
    terminal: 'event: message_stop',
    model,
    usage: [25, undefined, undefined, 15],
  },
  {
    name: 'a stream without event lines',
    head: stream,
    text: (start('{"input_tokens":25}') + text + delta('{}') + stop).replaceAll(/^event: .*\n/gm, ''),
    verdict: 'complete',
    terminal: 'data: {"type": "message_stop"',
    model,
    usage: [25, undefined, undefined, undefined],
  },
  {
    name: 'a stream whose terminal event has lost its data',
    head: stream,
    text: `${start('{}')}${text}${delta('{}')}event: message_stop\n\n`,
    verdict: 'incomplete',
    model,
  },
  {
    name: 'counts of which the first is unknown',
    head: stream,
    text: start('{"input_tokens":"25","cache_read_input_tokens":5,"output_tokens":-1}') + stop,
    verdict: 'complete',
    terminal: 'event: message_stop',
    model,
    usage: [undefined, 5, undefined, undefined],
  },
  { name: 'an error first of all', head: stream, text: error, verdict: 'error' },
  { name: 'an error without data', head: stream, text: 'event: error\n\n', verdict: 'error' },
  { name: 'an error in the middle', head: stream, text: start('{}') + text + error, verdict: 'error', model },
  {
    name: 'an error without its event line, and an end after it',
    head: stream,
    text: `${start('{}')}${error.slice('event: error\n'.length)}${stop}`,
    verdict: 'error',
    model,
  },
  {
    name: 'a stream without its end',
    head: stream,
    text: start('{}') + text + delta('{"output_tokens":15}'),
    verdict: 'incomplete',
    model,
    usage: [undefined, undefined, undefined, 15],
  },
  {
    name: 'a plain answer',
    head: json,
    text: `{"model":"${model}","id":"msg_01","type":"message","role":"assistant","content":[{"type":"text","text":"Hi! \\"type\\":\\"error\\""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":2095,"cache_creation_input_tokens":0,"cache_read_input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":0},"output_tokens":503}}`,
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage: [2096, 1, 0, 503],
  },
  {
    name: 'a plain answer that is an error',
    head: json,
    text: '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}',
    verdict: 'error',
    cut: 'incomplete',
  },
  {
    name: 'a plain answer of Vertex',
    head: {
      ...json,
      path: '/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict',
    },
    text: `{"id":"msg_vrtx_01","type":"message","model":"${model}","content":[],"usage":{"input_tokens":3,"output_tokens":4}}`,
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage: [3, undefined, undefined, 4],
  },
]
