import type { Frame } from './frame.ts'
import { type AnswerForm, frameShape, type Judge, type Meaning } from './frame-watcher.ts'
import { plain } from './json-shape.ts'
import { memberOf } from './json-value.ts'
import { countAt, knownUsage, type Report, ReportDraft, type Usage } from './usage.ts'

const shape = frameShape({ model: plain, done: plain, prompt_eval_count: plain, eval_count: plain })

/**
 * A stream of chat or completion, one JSON object a line; the last says `"done": true` and brings the counts.
 *
 * @see https://github.com/ollama/ollama/blob/main/docs/api.md
 */
export const ollamaStream: AnswerForm = { shape, judge: () => new OllamaJudge(true) }

/** An answer in one piece (`"stream": false`), or embeddings, which know no `done`. */
export const ollamaBody: AnswerForm = { shape, judge: () => new OllamaJudge(false) }

/** What a model's way here or away says of itself, one JSON object a line; the last says that it succeeded. */
export const ollamaProgress: AnswerForm = {
  shape: frameShape({ status: plain }),
  judge: () => ({
    read: ({ value }) => (memberOf(value, 'status') === 'success' ? 'terminal' : 'part'),
    missing: 'the answer has no "status": "success"',
    report: { model: undefined, usage: undefined },
  }),
}

class OllamaJudge implements Judge {
  readonly #isStream: boolean
  readonly #draft = new ReportDraft()
  #done: unknown

  constructor(isStream: boolean) {
    this.#isStream = isStream
  }

  read({ value }: Frame): Meaning {
    this.#done = memberOf(value, 'done')
    this.#draft.note(memberOf(value, 'model'), this.#done === false ? undefined : readUsage(value))
    return this.#done === true && this.#isStream ? 'terminal' : 'part'
  }

  get missing(): string | undefined {
    const isOpen = this.#isStream ? this.#done !== true : this.#done === false
    return isOpen ? 'the answer has no "done": true' : undefined
  }

  get report(): Report {
    return this.#draft.report
  }
}

/** A prompt that was cached is not counted. */
function readUsage(answer: unknown): Usage | undefined {
  return knownUsage({
    inputTokens: countAt(answer, 'prompt_eval_count'),
    cachedInputTokens: undefined,
    cacheWriteTokens: undefined,
    outputTokens: countAt(answer, 'eval_count'),
  })
}
