import { type AnswerForm, frameShape } from './frame-watcher.ts'
import { plain } from './json-shape.ts'
import { memberOf } from './json-value.ts'
import { openAiUsageShape, readOpenAiUsage } from './openai-usage.ts'
import { ReportDraft } from './usage.ts'

/** Why a response that came whole is no success. `queued`, `in_progress` (in the background) and `incomplete` are. */
const failures: readonly unknown[] = ['failed', 'cancelled']

/**
 * A plain answer: a chat completion, a completion, a response, embeddings, a transcription. A response says by its
 * `status` that it failed.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export const openAiBody: AnswerForm = {
  shape: frameShape({ object: plain, status: plain, model: plain, usage: openAiUsageShape }),
  judge() {
    const draft = new ReportDraft()
    return {
      read({ value }) {
        draft.note(memberOf(value, 'model'), readOpenAiUsage(memberOf(value, 'usage')))
        const isFailed = memberOf(value, 'object') === 'response' && failures.includes(memberOf(value, 'status'))
        return isFailed ? 'failed' : 'part'
      },
      missing: undefined,
      get report() {
        return draft.report
      },
    }
  },
}
