import type { Frame } from './frame.ts'
import { type AnswerForm, frameShape, type Judge, type Meaning } from './frame-watcher.ts'
import { items, members, plain } from './json-shape.ts'
import { countOf, itemsOf, memberOf } from './json-value.ts'
import { knownUsage, type Report, ReportDraft, sumOf, type Usage } from './usage.ts'

/** Gemini gives at most 8 candidates; those of a higher index are not looked at. */
const maxCandidates = 1_024

const shape = frameShape({
  candidates: items(members({ index: plain, finishReason: plain })),
  promptFeedback: members({ blockReason: plain }),
  usageMetadata: members({
    promptTokenCount: plain,
    toolUsePromptTokenCount: plain,
    cachedContentTokenCount: plain,
    candidatesTokenCount: plain,
    thoughtsTokenCount: plain,
  }),
  modelVersion: plain,
})

/**
 * A stream of partial answers, as events or as the items of an array. There is no terminal frame: it is whole at a clean
 * end, once each candidate has its `finishReason` (some models send one with every part), or the prompt was blocked.
 *
 * @see https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
 */
export const geminiStream: AnswerForm = { shape, judge: () => new GeminiJudge(true) }

/** An answer in one piece: generated content, embeddings, a count of tokens. */
export const geminiBody: AnswerForm = { shape, judge: () => new GeminiJudge(false) }

class GeminiJudge implements Judge {
  readonly #isStream: boolean
  readonly #draft = new ReportDraft()
  readonly #begun = new Set<number>()
  readonly #finished = new Set<number>()
  #isBlocked = false

  constructor(isStream: boolean) {
    this.#isStream = isStream
  }

  read({ value }: Frame): Meaning {
    const candidates = itemsOf(memberOf(value, 'candidates'))
    for (const candidate of candidates) this.#readCandidate(candidate)
    const isBlocked = isReason(memberOf(memberOf(value, 'promptFeedback'), 'blockReason'))
    if (isBlocked) this.#isBlocked = true
    this.#draft.note(memberOf(value, 'modelVersion'), readUsage(memberOf(value, 'usageMetadata')))
    const isEnding = isBlocked || candidates.some(hasFinished)
    return isEnding && this.missing === undefined ? 'last' : 'part'
  }

  get missing(): string | undefined {
    const isFinished = this.#begun.size > 0 ? this.#finished.size === this.#begun.size : this.#isBlocked
    return isFinished || !this.#isStream ? undefined : 'the stream ended before its finishReason'
  }

  get report(): Report {
    return this.#draft.report
  }

  #readCandidate(candidate: unknown): void {
    const index = countOf(memberOf(candidate, 'index')) ?? 0
    if (index >= maxCandidates) return
    this.#begun.add(index)
    if (hasFinished(candidate)) this.#finished.add(index)
  }
}

function hasFinished(candidate: unknown): boolean {
  return isReason(memberOf(candidate, 'finishReason'))
}

/** Enums may say that there is no reason yet. Google's own clients ask for them as numbers (`$alt=json;enum-encoding=int`). */
function isReason(value: unknown): boolean {
  if (typeof value === 'number') return value !== 0
  return typeof value === 'string' && !['', 'FINISH_REASON_UNSPECIFIED', 'BLOCK_REASON_UNSPECIFIED'].includes(value)
}

/** What tools gave back is input, thoughts are output; both are counted apart. What was cached is part of the prompt. */
function readUsage(metadata: unknown): Usage | undefined {
  if (metadata === undefined) return undefined
  const count = (name: string): number | undefined => countOf(memberOf(metadata, name))
  const prompt = count('promptTokenCount')
  return knownUsage({
    inputTokens: prompt === undefined ? undefined : sumOf(prompt, count('toolUsePromptTokenCount')),
    cachedInputTokens: count('cachedContentTokenCount'),
    cacheWriteTokens: undefined,
    outputTokens: sumOf(count('candidatesTokenCount'), count('thoughtsTokenCount')),
  })
}
