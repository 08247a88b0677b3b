import type { Transcript } from './watching.ts'

const path = '/v1/audio/transcriptions'
const usage =
  '"usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}'

/** @see https://platform.openai.com/docs/api-reference/audio */
export const openAiAudioTranscripts: readonly Transcript[] = [
  {
    name: 'a transcription',
    head: { path, mediaType: 'application/json' },
    text: `{"text":"Imagine.",${usage}}`,
    verdict: 'complete',
    cut: 'incomplete',
    usage: [14, undefined, undefined, 45],
  },
  {
    name: 'a transcription that is paid by the second',
    head: { path, mediaType: 'application/json' },
    text: '{"task":"transcribe","language":"english","duration":8.47,"text":"The beach.","usage":{"type":"duration","seconds":9}}',
    verdict: 'complete',
    cut: 'incomplete',
  },
  {
    name: 'a translation as text',
    head: { path: '/v1/audio/translations', mediaType: 'text/plain' },
    text: 'Hello, my name is Wolfgang.\n',
    verdict: 'complete',
    cut: 'incomplete',
  },
  {
    name: 'subtitles',
    head: { path, mediaType: 'text/vtt' },
    text: 'WEBVTT\n\n00:00:00.000 --> 00:00:03.000\nThe beach.\n\n',
    verdict: 'complete',
    cut: 'incomplete',
  },
  {
    name: 'a stream of a transcription',
    head: { path, mediaType: 'text/event-stream' },
    text: `data: {"type":"transcript.text.delta","delta":"Ima"}\n\ndata: {"type":"transcript.text.done","text":"Imagine.",${usage}}\n\ndata: [DONE]\n\n`,
    verdict: 'complete',
    terminal: 'data: {"type":"transcript.text.done"',
    usage: [14, undefined, undefined, 45],
  },
  {
    name: 'a stream of a transcription without its end',
    head: { path, mediaType: 'text/event-stream' },
    text: 'data: {"type":"transcript.text.delta","delta":"Ima"}\n\n',
    verdict: 'incomplete',
  },
  {
    name: 'a stream of a transcription, Mistral',
    head: { path, mediaType: 'text/event-stream' },
    text: 'event: transcription.text.delta\ndata: {"type":"transcription.text.delta","text":"Ima"}\n\nevent: transcription.done\ndata: {"type":"transcription.done","model":"voxtral-mini","text":"Imagine.","usage":{"prompt_tokens":4,"completion_tokens":5,"total_tokens":9}}\n\n',
    verdict: 'complete',
    terminal: 'event: transcription.done',
    model: 'voxtral-mini',
    usage: [4, undefined, undefined, 5],
  },
  {
    name: 'a stream of a transcription, vLLM',
    head: { path, mediaType: 'text/event-stream' },
    text: 'data: {"object":"transcription.chunk","model":"w","choices":[{"delta":{"content":"Ima"}}]}\n\ndata: {"object":"transcription.chunk","model":"w","choices":[{"delta":{"content":"gine."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    verdict: 'complete',
    terminal: 'data: [DONE]',
    model: 'w',
  },
  {
    name: 'speech',
    head: { path: '/v1/audio/speech', mediaType: 'audio/mpeg' },
    text: '\u0000ID3 \n\ndata: {"error":1}\n\n',
    verdict: 'complete',
    cut: 'incomplete',
  },
  {
    name: 'a stream of speech',
    head: { path: '/v1/audio/speech', mediaType: 'text/event-stream' },
    text: 'data: {"type":"speech.audio.delta","audio":"//PExA=="}\n\ndata: {"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}\n\n',
    verdict: 'complete',
    terminal: 'data: {"type":"speech.audio.done"',
    usage: [14, undefined, undefined, 101],
  },
]
