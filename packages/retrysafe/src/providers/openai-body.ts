import { type AnswerForm, frameShape } from './frame-watcher.ts'
import { items, members, plain } from './json-shape.ts'
import { itemsOf, memberOf } from './json-value.ts'
import { hasFailed } from './openai-chat.ts'
import { openAiUsageShape, readOpenAiUsage } from './openai-usage.ts'
import { ReportDraft } from './usage.ts'

/** Why a response that came whole is no success. `queued`, `in_progress` (in the background) and `incomplete` are. */
const failures: readonly unknown[] = ['failed', 'cancelled']

/**
 * A plain answer: a chat completion, a completion, a response, embeddings, a transcription. A response says by its
 * `status` that it failed, a choice by its `finish_reason`.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export const openAiBody: AnswerForm = {
  shape: frameShape({
    object: plain,
    status: plain,
    model: plain,
    usage: openAiUsageShape,
    choices: items(members({ finish_reason: plain })),
  }),
  judge() {
    const draft = new ReportDraft()
    return {
      read({ value }) {
        draft.note(memberOf(value, 'model'), readOpenAiUsage(memberOf(value, 'usage')))
        const isFailed = memberOf(value, 'object') === 'response' && failures.includes(memberOf(value, 'status'))
        return isFailed || itemsOf(memberOf(value, 'choices')).some(hasFailed) ? 'failed' : 'part'
      },
      missing: undefined,
      get report() {
        return draft.report
      },
    }
  },
}
