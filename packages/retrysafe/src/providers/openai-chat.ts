import type { Frame } from './frame.ts'
import { type AnswerForm, frameShape, type Judge, type Meaning } from './frame-watcher.ts'
import { items, members, plain } from './json-shape.ts'
import { countOf, itemsOf, memberOf } from './json-value.ts'
import { openAiUsageShape, readOpenAiUsage } from './openai-usage.ts'
import { type Report, ReportDraft } from './usage.ts'

/** OpenAI gives at most 128 choices; those of a higher index are not looked at. */
const maxChoices = 1_024

/**
 * A stream of a chat completion, or of a completion of the old kind: `data:` chunks, complete at `[DONE]` after the
 * `finish_reason`s. Each of several choices ends with one of its own, and a choice without one was broken off. Chunks
 * may follow that name the choice again, with null in its place (Azure's content filter).
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export const openAiChatStream: AnswerForm = {
  shape: frameShape({
    model: plain,
    choices: items(members({ index: plain, finish_reason: plain })),
    usage: openAiUsageShape,
  }),
  judge: () => new ChatJudge(),
}

/** A choice that its server gave up on: Mistral and OpenRouter say the first, SGLang and vLLM the second, DeepSeek the last. */
const failures: readonly unknown[] = ['error', 'abort', 'insufficient_system_resource']

export function hasFailed(choice: unknown): boolean {
  return failures.includes(memberOf(choice, 'finish_reason'))
}

class ChatJudge implements Judge {
  readonly #draft = new ReportDraft()
  readonly #begun = new Set<number>()
  readonly #finished = new Set<number>()

  read({ value, isDone }: Frame): Meaning {
    if (isDone) return this.#isFinished ? 'terminal' : 'part'
    const choices = itemsOf(memberOf(value, 'choices'))
    for (const choice of choices) this.#readChoice(choice)
    this.#draft.note(memberOf(value, 'model'), readOpenAiUsage(memberOf(value, 'usage')))
    return choices.some(hasFailed) ? 'failed' : 'part'
  }

  get missing(): string {
    return this.#isFinished ? 'the stream ended before [DONE]' : 'the stream has no finish_reason'
  }

  get report(): Report {
    return this.#draft.report
  }

  #readChoice(choice: unknown): void {
    const index = countOf(memberOf(choice, 'index')) ?? 0
    if (index >= maxChoices) return
    this.#begun.add(index)
    const reason = memberOf(choice, 'finish_reason')
    // Some servers write an empty one into every chunk.
    if (typeof reason === 'string' && reason !== '') this.#finished.add(index)
  }

  get #isFinished(): boolean {
    return this.#begun.size > 0 && this.#finished.size === this.#begun.size
  }
}
