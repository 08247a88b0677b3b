import type { Transcript } from './watching.ts'

const stream = { path: '/v1/chat/completions', mediaType: 'text/event-stream' }
const json = { path: '/v1/chat/completions', mediaType: 'application/json' }
const completions = { path: '/v1/completions', mediaType: 'text/event-stream' }
const embeddings = { path: '/v1/embeddings', mediaType: 'application/json' }

const head = '"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-2024-08-06"'
const frame = (rest: string): string => `data: {${head},"service_tier":"default",${rest}}\n\n`
const role = frame(
  '"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null',
)
const word = frame(
  '"choices":[{"index":0,"delta":{"content":"Grüße, 世界 💥"},"logprobs":null,"finish_reason":null}],"usage":null',
)
const stop = frame('"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null')
const usage = frame(
  '"choices":[],"usage":{"prompt_tokens":1117,"completion_tokens":46,"total_tokens":1163,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":31,"audio_tokens":0}}',
)
const done = 'data: [DONE]\n\n'
const model = 'gpt-4o-2024-08-06'

const choice = (index: number, reason: string): string =>
  `data: {"choices":[{"index":${index},"delta":{},"finish_reason":${reason}}]}\n\n`

/** @see https://platform.openai.com/docs/api-reference/chat-streaming/streaming */
export const openAiChatTranscripts: readonly Transcript[] = [
  {
    name: 'a stream with its usage',
    head: stream,
    text: role + word + stop + usage + done,
    verdict: 'complete',
    terminal: 'data: [DONE]',
    model,
    usage: [1117, 1024, undefined, 46],
  },
  {
    name: 'a stream without usage, with CRLF and comments',
    head: stream,
    text: `: OPENROUTER PROCESSING\n\n${role}: OPENROUTER PROCESSING\n\n${word}${stop}${done}`.replaceAll('\n', '\r\n'),
    verdict: 'complete',
    terminal: 'data: [DONE]',
    model,
  },
  {
    name: 'a stream that the content filter annotates after its end, as Azure sends it',
    head: { ...stream, path: '/openai/deployments/gpt/chat/completions' },
    text: `data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}\n\n${role}${stop}data: {"choices":[{"content_filter_offsets":{"check_offset":44},"finish_reason":null,"index":0}],"model":""}\n\n${done}`,
    verdict: 'complete',
    terminal: 'data: [DONE]',
    model,
  },
  {
    name: 'two choices, each with its finish_reason',
    head: stream,
    text: choice(0, 'null') + choice(1, 'null') + choice(1, '"length"') + choice(0, '"stop"') + done,
    verdict: 'complete',
    terminal: 'data: [DONE]',
  },
  {
    name: 'two choices, of which one was broken off',
    head: stream,
    text: choice(0, 'null') + choice(1, 'null') + choice(1, '"stop"') + done,
    verdict: 'incomplete',
  },
  {
    name: 'a stream of a tool call whose arguments name what ends a stream, in data of several lines',
    head: stream,
    text: `data: {"choices": [\ndata:   {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{\\"finish_reason\\":\\"stop\\"}\\n\\ndata: [DONE]\\n\\n"}}]}}]}\n\n${done}`,
    verdict: 'incomplete',
  },
  {
    name: 'names and values with escapes',
    head: stream,
    text: `data: {"cho\\u0069ces":[{"finish\\u005Freason":"st\\u006fp"}],"model":"\\u0067pt \\"5\\"","us\\u0061ge":{"prompt_tokens":1e1}}\n\n${done}`,
    verdict: 'complete',
    terminal: 'data: [DONE]',
    model: 'gpt "5"',
    usage: [10, undefined, undefined, undefined],
  },
  {
    name: 'a stream that ends before its usage',
    head: stream,
    text: role + word + stop,
    verdict: 'incomplete',
    model,
  },
  {
    name: 'an error in the middle',
    head: stream,
    text: `${role}${word}data: {"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}\n\n`,
    verdict: 'error',
    model,
  },
  {
    name: 'an error as bare JSON in place of the stream',
    head: stream,
    text: '{\n  "error": {\n    "message": "overloaded",\n    "type": "server_error"\n  }\n}\n',
    verdict: 'error',
    cut: 'incomplete',
  },
  {
    name: 'bare JSON that is no error, before [DONE]',
    head: stream,
    text: `{"choices":[{"index":0,"finish_reason":"stop"}]}\n\n${done}`,
    verdict: 'incomplete',
  },
  {
    name: 'usage that is none, and usage of which some is none',
    head: stream,
    text: `${choice(0, '"stop"')}data: {"choices":[],"usage":{"prompt_tokens":"7","completion_tokens":-1,"prompt_tokens_details":{"cached_tokens":1.5}}}\n\ndata: {"choices":[],"usage":{"prompt_tokens":9007199254740993,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":1e999}}}\n\ndata: {"usage":"12"}\n\n${done}`,
    verdict: 'complete',
    terminal: 'data: [DONE]',
    usage: [undefined, undefined, undefined, 5],
  },
  {
    name: 'a plain answer',
    head: json,
    text: '{\n  "id": "chatcmpl-B9",\n  "object": "chat.completion",\n  "model": "gpt-5.4",\n  "choices": [{"index": 0, "message": {"role": "assistant", "content": "{\\"error\\":1}", "error": 1}, "finish_reason": "stop"}],\n  "usage": {"prompt_tokens": 19, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 12}}\n}\n',
    verdict: 'complete',
    cut: 'incomplete',
    model: 'gpt-5.4',
    usage: [19, 0, 12, 10],
  },
  {
    name: 'a plain answer that is an error',
    head: json,
    text: '{"error":{"message":"overloaded","type":"server_error","param":null,"code":null}}',
    verdict: 'error',
    cut: 'incomplete',
  },
  {
    name: 'a stream of a completion of the old kind',
    head: completions,
    text: `data: {"id":"cmpl-7","object":"text_completion","model":"gpt-3.5-turbo-instruct","choices":[{"text":" is","index":0,"logprobs":null,"finish_reason":null}]}\n\ndata: {"choices":[{"text":"","index":0,"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}\n\n${done}`,
    verdict: 'complete',
    terminal: 'data: [DONE]',
    model: 'gpt-3.5-turbo-instruct',
    usage: [2, undefined, undefined, 1],
  },
  {
    name: 'embeddings',
    head: embeddings,
    text: '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0023064255,-0.009327292,1e-05]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}',
    verdict: 'complete',
    cut: 'incomplete',
    model: 'text-embedding-3-small',
    usage: [8, undefined, undefined, undefined],
  },
  {
    name: 'embeddings that end too early, though their length is right',
    head: embeddings,
    text: '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0023064255,-0.0093',
    verdict: 'incomplete',
  },
]
