import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Call } from '../endpoint.ts'
import { countWords } from '../words.ts'
import { invalid, type Prompt, type Reading, readModel } from './prompt.ts'

const FORMATS = ['json', 'text', 'srt', 'vtt', 'verbose_json'] as const

/** How a transcription is written down. */
export type TranscriptFormat = (typeof FORMATS)[number]

/** What the sandbox needs to know of a transcription request. */
export interface TranscriptionPrompt extends Prompt {
  readonly format: TranscriptFormat
  /** Words of `prompt`, which go into the model beside the speech. */
  readonly textTokens: number
}

/** Reads a transcription request as strictly as OpenAI where a mistake would change the answer, and no further. */
export function readTranscriptionRequest({ form }: Call): Reading<TranscriptionPrompt> {
  if (form === undefined) return { kind: 'invalid', message: 'The body of the request is no whole multipart form.' }
  const file = form.files.get('file')
  if (file === undefined) return invalid('file', 'a file')
  const model = readModel(form.fields.get('model')) ?? ''
  const wanted = form.fields.get('response_format') ?? 'json'
  const format = FORMATS.find(known => known === wanted)
  if (format === undefined) return invalid('response_format', `one of ${FORMATS.join(', ')}`)
  const said = speechIn(file)
  const textTokens = countWords(form.fields.get('prompt') ?? '')
  return {
    kind: 'valid',
    prompt: {
      model,
      said,
      inputTokens: textTokens + countWords(said),
      textTokens,
      maxWords: Number.POSITIVE_INFINITY,
      choices: 1,
      // OpenAI ignores `stream` for this model.
      stream: form.fields.get('stream') === 'true' && model !== 'whisper-1',
      format,
    },
  }
}

/** The speech in a file is its text; of other bytes their length and hash, so that other bytes are other words. */
function speechIn(file: Buffer): string {
  if (isUtf8(file)) return file.toString('utf8')
  return `${file.length} bytes ${createHash('sha256').update(file).digest('hex').slice(0, 8)}`
}
