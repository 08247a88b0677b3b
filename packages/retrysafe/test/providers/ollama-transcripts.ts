import type { Transcript } from './watching.ts'

const lines = { path: '/api/chat', mediaType: 'application/x-ndjson' }
const pull = { path: '/api/pull', mediaType: 'application/x-ndjson' }
const json = { path: '/api/generate', mediaType: 'application/json' }
const model = 'llama3.2'

const word = `{"model":"${model}","created_at":"2023-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":"\\"done\\":true\\nü","images":null},"done":false}\n`
const done = `{"model":"${model}","created_at":"2023-08-04T19:22:45.499127Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":26,"prompt_eval_duration":342546000,"eval_count":282,"eval_duration":4535599000}\n`
const usage = [26, undefined, undefined, 282] as const
const terminal = done.slice(0, 60)

/** @see https://github.com/ollama/ollama/blob/main/docs/api.md */
export const ollamaTranscripts: readonly Transcript[] = [
  { name: 'a stream', head: lines, text: word + word + done, verdict: 'complete', terminal, model, usage },
  {
    name: 'a stream whose prompt was cached, with CRLF and empty lines',
    head: lines,
    text: `${word}\n{"done" : true, "eval_count":3}\n\n`.replaceAll('\n', '\r\n'),
    verdict: 'complete',
    terminal: '{"done" : true',
    model,
    usage: [undefined, undefined, undefined, 3],
  },
  { name: 'a stream without its end', head: lines, text: word + word, verdict: 'incomplete', model },
  { name: 'a stream with a torn last line', head: lines, text: word + done.slice(0, -2), verdict: 'incomplete', model },
  {
    name: 'a last line that only its clean end ends',
    head: lines,
    text: word + done.slice(0, -1),
    verdict: 'complete',
    cut: 'incomplete',
    model,
    usage,
  },
  {
    name: 'a last line with something behind it',
    head: lines,
    text: `${word}${done.slice(0, -1)}{}\n`,
    verdict: 'incomplete',
    model,
  },
  { name: 'done that is no boolean', head: lines, text: '{"done":"true"}\n{"done":1}\n', verdict: 'incomplete' },
  {
    name: 'an error in the middle',
    head: lines,
    text: `${word}{"error":"an error was encountered while running the model"}\n`,
    verdict: 'error',
    model,
  },
  {
    name: 'an error on its only line, without its end',
    head: lines,
    text: '{"error":"x"}',
    verdict: 'error',
    cut: 'incomplete',
  },
  {
    name: 'a line that is no JSON',
    head: lines,
    text: `${word}panic: x\n${done}`,
    verdict: 'complete',
    terminal,
    model,
    usage,
  },
  {
    name: 'a model that was pulled',
    head: pull,
    text: '{"status":"pulling manifest"}\n{"status":"success"}\n',
    verdict: 'complete',
    terminal: '{"status":"success"}',
  },
  {
    name: 'a model that was not',
    head: pull,
    text: '{"status":"pulling manifest"}\n{"error":"pull model manifest: file does not exist"}\n',
    verdict: 'error',
  },
  { name: 'a pull that ended half-way', head: pull, text: '{"status":"pulling manifest"}\n', verdict: 'incomplete' },
  { name: 'a plain answer', head: json, text: done, verdict: 'complete', cut: 'incomplete', model, usage },
  { name: 'a plain answer that says that more follows', head: json, text: word, verdict: 'incomplete', model },
  { name: 'a plain error', head: json, text: '{"error":"model not found"}', verdict: 'error', cut: 'incomplete' },
  {
    name: 'embeddings',
    head: { path: '/api/embed', mediaType: 'application/json' },
    text: '{"model":"all-minilm","embeddings":[[0.010071029,-0.0017594862]],"total_duration":14143917,"prompt_eval_count":8}',
    verdict: 'complete',
    cut: 'incomplete',
    model: 'all-minilm',
    usage: [8, undefined, undefined, undefined],
  },
]
