import { type Answer, dataFrame, framesFrom, jsonAnswer, sseAnswer, textAnswer } from '../answer.ts'
import type { Endpoint } from '../endpoint.ts'
import { failureAt, openaiErrors } from '../error-format.ts'
import { type Completion, modelEndpoint, textIn } from './model-endpoint.ts'
import { openaiRequestId } from './openai-head.ts'
import { readTranscriptionRequest, type TranscriptionPrompt } from './openai-transcriptions-request.ts'

type Transcription = Completion<TranscriptionPrompt>

/**
 * OpenAI's transcriptions: a file in a form in, its words out. A word takes a second. The run is named in the text and
 * in `x-request-id`.
 * @see https://platform.openai.com/docs/api-reference/audio/createTranscription
 */
export const openaiTranscriptionsEndpoint: Endpoint = modelEndpoint({
  title: 'POST /v1/audio/transcriptions',
  about: 'OpenAI speech to text, multipart; "response_format" json, text, srt, vtt, verbose_json; stream=true',
  path: /^\/v1\/audio\/transcriptions$/,
  errors: openaiErrors,
  takesForm: true,
  read: readTranscriptionRequest,
  plain,
  streamed,
})

function plain(transcription: Transcription): Answer {
  const text = textIn(transcription)
  const head = openaiRequestId(transcription.run)
  const { format } = transcription.prompt
  switch (format) {
    case 'json':
      return jsonAnswer(200, { text, usage: usage(transcription) }, head)
    case 'verbose_json':
      return jsonAnswer(200, verbose(transcription), head)
    case 'text':
      return textAnswer(200, `${text}\n`, head)
    case 'srt':
      return textAnswer(200, `1\n${timeAt(0, ',')} --> ${timeAt(secondsIn(transcription), ',')}\n${text}\n\n`, head)
    case 'vtt':
      return textAnswer(
        200,
        `WEBVTT\n\n${timeAt(0, '.')} --> ${timeAt(secondsIn(transcription), '.')}\n${text}\n\n`,
        head,
      )
  }
}

function streamed(transcription: Transcription): Answer {
  return sseAnswer({
    headers: openaiRequestId(transcription.run),
    frames: framesFrom(function* () {
      for (const delta of transcription.reply.words) yield dataFrame({ type: 'transcript.text.delta', delta })
      const text = textIn(transcription)
      yield dataFrame({ type: 'transcript.text.done', text, usage: tokenUsage(transcription) })
    }),
    failAt: index => [dataFrame(openaiErrors.body(failureAt(index)))],
  })
}

function verbose(transcription: Transcription): object {
  const seconds = secondsIn(transcription)
  const text = textIn(transcription)
  const segment = { id: 0, seek: 0, start: 0, end: seconds, text, tokens: [], temperature: 0 }
  const segments = [{ ...segment, avg_logprob: 0, compression_ratio: 1, no_speech_prob: 0 }]
  const duration = { type: 'duration', seconds }
  return { task: 'transcribe', language: 'english', duration: seconds, text, segments, usage: duration }
}

/** whisper-1 is paid by the second, its successors by the token. */
function usage(transcription: Transcription): object {
  if (transcription.prompt.model !== 'whisper-1') return tokenUsage(transcription)
  return { type: 'duration', seconds: secondsIn(transcription) }
}

function tokenUsage({ prompt, outputTokens }: Transcription): object {
  const { inputTokens, textTokens } = prompt
  return {
    type: 'tokens',
    input_tokens: inputTokens,
    input_token_details: { text_tokens: textTokens, audio_tokens: inputTokens - textTokens },
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  }
}

function secondsIn({ outputTokens }: Transcription): number {
  return outputTokens
}

/** `00:00:05,000`; SubRip separates the fraction by a comma, WebVTT by a point. */
function timeAt(seconds: number, separator: ',' | '.'): string {
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `${parts.map(part => String(part).padStart(2, '0')).join(':')}${separator}000`
}
