import { type AnswerForm, frameShape } from './frame-watcher.ts'
import { members, plain } from './json-shape.ts'
import { memberOf } from './json-value.ts'
import { openAiChatStream } from './openai-chat.ts'
import { openAiUsageShape, readOpenAiUsage } from './openai-usage.ts'
import { ReportDraft } from './usage.ts'

/**
 * A stream of a response. Its last event holds the response as it came out; one that came to its limit is whole.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export const openAiResponseStream: AnswerForm = typedEvents(
  ['response.completed', 'response.incomplete'],
  ['response.failed'],
)

const transcribed: readonly unknown[] = ['transcript.text.done', 'transcription.done']

/**
 * OpenAI's events, Mistral's (`transcription.done`), or vLLM's chunks, which end as those of a chat completion.
 *
 * @see https://platform.openai.com/docs/api-reference/audio/transcript-text-done-event
 */
export const openAiTranscriptionStream: AnswerForm = {
  shape: openAiChatStream.shape,
  judge() {
    const chat = openAiChatStream.judge()
    return {
      read(frame) {
        const meaning = chat.read(frame)
        return transcribed.includes(memberOf(frame.value, 'type')) ? 'terminal' : meaning
      },
      missing: 'the stream ended before its last event',
      get report() {
        return chat.report
      },
    }
  },
}

/** @see https://platform.openai.com/docs/api-reference/audio/speech-audio-done-event */
export const openAiSpeechStream: AnswerForm = typedEvents(['speech.audio.done'])

/** Events that name themselves by `type`; the `event:` line says the same, where it comes. */
function typedEvents(terminal: readonly unknown[], failed: readonly unknown[] = []): AnswerForm {
  return {
    shape: frameShape({ usage: openAiUsageShape, response: members({ model: plain, usage: openAiUsageShape }) }),
    judge() {
      const draft = new ReportDraft()
      return {
        read({ value }) {
          const response = memberOf(value, 'response')
          const usage = memberOf(response, 'usage') ?? memberOf(value, 'usage')
          draft.note(memberOf(response, 'model'), readOpenAiUsage(usage))
          const type = memberOf(value, 'type')
          return terminal.includes(type) ? 'terminal' : failed.includes(type) ? 'failed' : 'part'
        },
        missing: 'the stream ended before its last event',
        get report() {
          return draft.report
        },
      }
    },
  }
}
