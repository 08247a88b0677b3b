import { anthropicBody, anthropicStream } from './anthropic.ts'
import { type AnswerForm, watchFrames } from './frame-watcher.ts'
import { geminiBody, geminiStream } from './gemini.ts'
import { watchForeign, watchGeneric, watchUnknownEvents } from './generic.ts'
import { JsonArrayFraming } from './json-array.ts'
import { JsonBodyFraming } from './json-body.ts'
import { JsonLinesFraming } from './json-lines.ts'
import { ollamaBody, ollamaProgress, ollamaStream } from './ollama.ts'
import { openAiBody } from './openai-body.ts'
import { openAiChatStream } from './openai-chat.ts'
import { openAiResponseStream, openAiSpeechStream, openAiTranscriptionStream } from './openai-events.ts'
import { SseFraming } from './sse.ts'
import type { AnswerHead, AnswerWatcher } from './watcher.ts'

type MediaKind = 'json' | 'events' | 'lines' | 'text' | 'audio' | 'other'

interface Format {
  readonly isStream: boolean
  watch(): AnswerWatcher
}

interface Api {
  readonly path: RegExp
  readonly formats: Readonly<Partial<Record<MediaKind, Format>>>
  /** Applications have such paths of their own, without a version before it: there, other types say nothing. */
  readonly isShared?: true
}

const body = (form: AnswerForm): Format => ({ isStream: false, watch: () => watchFrames(form, JsonBodyFraming) })
const events = (form: AnswerForm): Format => ({ isStream: true, watch: () => watchFrames(form, SseFraming) })
const lines = (form: AnswerForm): Format => ({ isStream: true, watch: () => watchFrames(form, JsonLinesFraming) })
const array = (form: AnswerForm): Format => ({ isStream: true, watch: () => watchFrames(form, JsonArrayFraming) })
const untold: Format = { isStream: true, watch: watchGeneric }

/** Of answers that no API is known to give. */
const unknownFormats: Readonly<Partial<Record<MediaKind, Format>>> = {
  json: { isStream: false, watch: watchGeneric },
  events: { isStream: true, watch: watchUnknownEvents },
}

/** Any prefix may stand before these paths; the first that fits counts. */
const apis: readonly Api[] = [
  { path: /\/chat\/completions$/, formats: { json: body(openAiBody), events: events(openAiChatStream) } },
  { path: /\/completions$/, formats: { json: body(openAiBody), events: events(openAiChatStream) }, isShared: true },
  { path: /\/responses$/, formats: { json: body(openAiBody), events: events(openAiResponseStream) }, isShared: true },
  {
    path: /\/audio\/(transcriptions|translations)$/,
    formats: { json: body(openAiBody), events: events(openAiTranscriptionStream), text: untold },
  },
  { path: /\/audio\/speech$/, formats: { json: body(openAiBody), events: events(openAiSpeechStream), audio: untold } },
  // Vertex serves other publishers' models by the same method, each in its own way.
  {
    path: /\/v1\/messages$|^(?!.*\/publishers\/(?!anthropic\/)).*:(rawPredict|streamRawPredict)$/,
    formats: { json: body(anthropicBody), events: events(anthropicStream) },
  },
  {
    path: /:streamGenerateContent$/,
    formats: { json: array(geminiStream), events: events(geminiStream) },
  },
  { path: /:(generateContent|embedContent|batchEmbedContents|countTokens)$/, formats: { json: body(geminiBody) } },
  { path: /\/api\/(chat|generate)$/, formats: { json: body(ollamaBody), lines: lines(ollamaStream) }, isShared: true },
  { path: /\/api\/(pull|push)$/, formats: { json: body(ollamaBody), lines: lines(ollamaProgress) }, isShared: true },
  { path: /\/api\/(embed|embeddings)$/, formats: { json: body(ollamaBody) }, isShared: true },
  { path: /\/embeddings$/, formats: { json: body(openAiBody) }, isShared: true },
]

/** What only an API has before a path that applications have, too: `/v1`, `/openai`, `/openai/deployments/X`. */
const apiPrefix = /\/(v\d\w*|openai|deployments\/[^/]+)\/[^/]+$/

/**
 * Chooses who watches an answer, by the request's path and the answer's media type. Whatever an API it knows sends as
 * another type than its own is never taken for whole; of other paths, what ends cleanly is.
 *
 * @example
 * const watcher = selectWatcher({ path: '/v1/chat/completions', mediaType: 'text/event-stream' })
 * watcher.write(bytes)
 * watcher.end(true).kind // 'complete' after a finish_reason and [DONE]
 * watcher.report.usage?.outputTokens // a number, or undefined when it was not sent
 */
export function selectWatcher(head: AnswerHead): AnswerWatcher {
  return formatOf(head).watch()
}

/**
 * Whether an answer without a length is to be delivered while it runs. JSON may be a plain answer that came in chunks.
 *
 * @example
 * isStream({ path: '/v1beta/models/g:streamGenerateContent', mediaType: 'application/json' }) // true: an array
 * isStream({ path: '/v1/embeddings', mediaType: 'application/json' }) // false
 */
export function isStream(head: AnswerHead): boolean {
  return formatOf(head).isStream
}

function formatOf({ path: sent, mediaType }: AnswerHead): Format {
  const path = sent.replace(/\/$/, '').replace(/%3a/i, ':')
  const api = apis.find(each => each.path.test(path))
  const kind = mediaKindOf(mediaType)
  const format = api?.formats[kind]
  if (format !== undefined) return format
  if (api === undefined || (api.isShared && !apiPrefix.test(path))) {
    return unknownFormats[kind] ?? untold
  }
  return { isStream: true, watch: () => watchForeign(mediaType) }
}

function mediaKindOf(mediaType: string): MediaKind {
  if (mediaType === 'application/json' || mediaType.endsWith('+json')) return 'json'
  if (mediaType === 'text/event-stream') return 'events'
  if (/^application\/(x-)?(ndjson|jsonl|jsonlines)$/.test(mediaType)) return 'lines'
  // Plain text and the two formats of subtitles; a page is none of them.
  if (/^(text\/(plain|vtt|srt)|application\/x-subrip)$/.test(mediaType)) return 'text'
  return mediaType.startsWith('audio/') || mediaType === 'application/octet-stream' ? 'audio' : 'other'
}
