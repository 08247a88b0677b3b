/** One request for words in each wire format: the user says `hi`, so that a run is five words. */
export interface Format {
  readonly name: string
  readonly path: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
  /** How many chunks a stream has; undefined for a plain answer. */
  readonly chunks?: number
  /** The answer's media type. */
  readonly type: string
  /** What a stream has in place of its third chunk under error-event-after=2, or what a plain answer is. */
  readonly failure: string
  /** The body under status=503. */
  readonly unavailable: string
}

const chat = '"messages":[{"role":"user","content":"hi"}]'
const contents = '{"contents":[{"parts":[{"text":"hi"}]}]}'
const failed = 'Sandbox-Fault: error-event-after=2'
const openaiFailure = `{"error":{"message":"${failed}","type":"server_error","param":null,"code":null}}`
const anthropicFailure = `{"type":"error","error":{"type":"api_error","message":"${failed}"},"request_id":"req_sandbox_error"}`
const geminiFailure = `{"error":{"code":500,"message":"${failed}","status":"INTERNAL"}}`
const ollamaFailure = `{"error":"${failed}"}`

const openaiUnavailable =
  '{"error":{"message":"Sandbox-Fault: status=503","type":"server_error","param":null,"code":null}}'
const anthropicUnavailable =
  '{"type":"error","error":{"type":"api_error","message":"Sandbox-Fault: status=503"},"request_id":"req_sandbox_error"}'
const geminiUnavailable = '{"error":{"code":503,"message":"Sandbox-Fault: status=503","status":"UNAVAILABLE"}}'
const ollamaUnavailable = '{"error":"Sandbox-Fault: status=503"}'

const speech = [
  '--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nhi',
  '\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4o-transcribe',
]
const multipart = { 'Content-Type': 'multipart/form-data; boundary=b' }

export const formats: readonly Format[] = [
  {
    name: 'chat',
    path: '/v1/chat/completions',
    body: `{${chat}}`,
    type: 'application/json',
    failure: openaiFailure,
    unavailable: openaiUnavailable,
  },
  {
    name: 'chat stream',
    path: '/v1/chat/completions',
    body: `{${chat},"stream":true}`,
    chunks: 8,
    type: 'text/event-stream; charset=utf-8',
    failure: `data: ${openaiFailure}\n\n`,
    unavailable: openaiUnavailable,
  },
  {
    name: 'responses',
    path: '/v1/responses',
    body: '{"input":"hi"}',
    type: 'application/json',
    failure: openaiFailure,
    unavailable: openaiUnavailable,
  },
  {
    name: 'responses stream',
    path: '/v1/responses',
    body: '{"input":"hi","stream":true}',
    chunks: 13,
    type: 'text/event-stream; charset=utf-8',
    failure: `event: error\ndata: {"type":"error","sequence_number":2,"error":{"type":"server_error","code":"500","message":"${failed}","param":null}}\n\n`,
    unavailable: openaiUnavailable,
  },
  {
    name: 'embeddings',
    path: '/v1/embeddings',
    body: '{"input":"hi","dimensions":4}',
    type: 'application/json',
    failure: openaiFailure,
    unavailable: openaiUnavailable,
  },
  {
    name: 'transcription',
    path: '/v1/audio/transcriptions',
    headers: multipart,
    body: `${speech.join('')}\r\n--b--\r\n`,
    type: 'application/json',
    failure: openaiFailure,
    unavailable: openaiUnavailable,
  },
  {
    name: 'transcription stream',
    path: '/v1/audio/transcriptions',
    headers: multipart,
    body: `${speech.join('')}\r\n--b\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n--b--\r\n`,
    chunks: 6,
    type: 'text/event-stream; charset=utf-8',
    failure: `data: ${openaiFailure}\n\n`,
    unavailable: openaiUnavailable,
  },
  {
    name: 'anthropic',
    path: '/v1/messages',
    body: `{${chat},"max_tokens":99}`,
    type: 'application/json',
    failure: anthropicFailure,
    unavailable: anthropicUnavailable,
  },
  {
    name: 'anthropic stream',
    path: '/v1/messages',
    body: `{${chat},"max_tokens":99,"stream":true}`,
    chunks: 11,
    type: 'text/event-stream; charset=utf-8',
    failure: `event: error\ndata: ${anthropicFailure}\n\n`,
    unavailable: anthropicUnavailable,
  },
  {
    name: 'gemini',
    path: '/v1beta/models/g:generateContent',
    body: contents,
    type: 'application/json; charset=UTF-8',
    failure: geminiFailure,
    unavailable: geminiUnavailable,
  },
  {
    name: 'gemini stream',
    path: '/v1beta/models/g:streamGenerateContent?alt=sse',
    body: contents,
    chunks: 5,
    type: 'text/event-stream',
    failure: `data: ${geminiFailure}\r\n\r\n`,
    unavailable: geminiUnavailable,
  },
  {
    name: 'gemini array',
    path: '/v1beta/models/g:streamGenerateContent',
    body: contents,
    chunks: 6,
    type: 'application/json; charset=UTF-8',
    failure: `,\r\n{\n  "error": {\n    "code": 500,\n    "message": "${failed}",\n    "status": "INTERNAL"\n  }\n}\n]\n`,
    unavailable: geminiUnavailable,
  },
  {
    name: 'ollama chat',
    path: '/api/chat',
    body: `{"model":"m",${chat},"stream":false}`,
    type: 'application/json; charset=utf-8',
    failure: ollamaFailure,
    unavailable: ollamaUnavailable,
  },
  {
    name: 'ollama chat stream',
    path: '/api/chat',
    body: `{"model":"m",${chat}}`,
    chunks: 6,
    type: 'application/x-ndjson',
    failure: `${ollamaFailure}\n`,
    unavailable: ollamaUnavailable,
  },
  {
    name: 'ollama generate',
    path: '/api/generate',
    body: '{"model":"m","prompt":"hi","stream":false}',
    type: 'application/json; charset=utf-8',
    failure: ollamaFailure,
    unavailable: ollamaUnavailable,
  },
  {
    name: 'ollama generate stream',
    path: '/api/generate',
    body: '{"model":"m","prompt":"hi"}',
    chunks: 6,
    type: 'application/x-ndjson',
    failure: `${ollamaFailure}\n`,
    unavailable: ollamaUnavailable,
  },
]
