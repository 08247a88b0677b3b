import type { Frame } from './frame.ts'
import { type AnswerForm, frameShape, type Judge, type Meaning } from './frame-watcher.ts'
import { type JsonShape, members, plain } from './json-shape.ts'
import { countOf, memberOf } from './json-value.ts'
import { knownUsage, type Report, sumOf } from './usage.ts'

const counts = ['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens', 'output_tokens'] as const
const usageShape: JsonShape = members(Object.fromEntries(counts.map(name => [name, plain])))
const messageShapes = { model: plain, usage: usageShape }

/**
 * A stream of a message: `message_start` brings the model and the first counts, each `message_delta` the counts so far,
 * `message_stop` ends it. An error may come at any time, even first.
 *
 * @see https://docs.anthropic.com/en/api/messages-streaming
 */
export const anthropicStream: AnswerForm = {
  shape: frameShape({ usage: usageShape, message: members(messageShapes) }),
  judge: () => new MessageJudge('the stream ended before message_stop'),
}

/** A message in one piece. */
export const anthropicBody: AnswerForm = {
  shape: frameShape(messageShapes),
  judge: () => new MessageJudge(undefined),
}

class MessageJudge implements Judge {
  readonly missing: string | undefined
  #model: string | undefined
  readonly #counts = new Map<(typeof counts)[number], number>()

  constructor(missing: string | undefined) {
    this.missing = missing
  }

  read({ value }: Frame): Meaning {
    const message = memberOf(value, 'message') ?? value
    const model = memberOf(message, 'model')
    if (typeof model === 'string' && model !== '') this.#model = model
    const usage = memberOf(message, 'usage')
    if (usage !== undefined) for (const name of counts) this.#note(name, countOf(memberOf(usage, name)))
    return memberOf(value, 'type') === 'message_stop' ? 'terminal' : 'part'
  }

  /** Input is counted apart from what was read from the cache, and from what was written to it. */
  get report(): Report {
    const input = this.#counts.get('input_tokens')
    const cachedInputTokens = this.#counts.get('cache_read_input_tokens')
    const cacheWriteTokens = this.#counts.get('cache_creation_input_tokens')
    const usage = knownUsage({
      inputTokens: input === undefined ? undefined : sumOf(input, cachedInputTokens, cacheWriteTokens),
      cachedInputTokens,
      cacheWriteTokens,
      outputTokens: this.#counts.get('output_tokens'),
    })
    return { model: this.#model, usage }
  }

  /** A count that is left out, or null, is as before. */
  #note(name: (typeof counts)[number], count: number | undefined): void {
    if (count !== undefined) this.#counts.set(name, count)
  }
}
