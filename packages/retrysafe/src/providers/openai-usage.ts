import { type JsonShape, members, plain } from './json-shape.ts'
import { countAt, knownUsage, type Usage } from './usage.ts'

const inputDetails = members({ cached_tokens: plain, cache_write_tokens: plain })

/** The usage object of every API of OpenAI's. Both namings: chat's and embeddings', and that of the newer ones. */
export const openAiUsageShape: JsonShape = members({
  prompt_tokens: plain,
  prompt_tokens_details: inputDetails,
  completion_tokens: plain,
  input_tokens: plain,
  input_tokens_details: inputDetails,
  output_tokens: plain,
})

/** Counts of output include reasoning, counts of input what was cached. */
export function readOpenAiUsage(usage: unknown): Usage | undefined {
  if (typeof usage !== 'object' || usage === null) return undefined
  const detail = (name: string): number | undefined =>
    countAt(usage, 'prompt_tokens_details', name) ?? countAt(usage, 'input_tokens_details', name)
  return knownUsage({
    inputTokens: countAt(usage, 'prompt_tokens') ?? countAt(usage, 'input_tokens'),
    cachedInputTokens: detail('cached_tokens'),
    cacheWriteTokens: detail('cache_write_tokens'),
    outputTokens: countAt(usage, 'completion_tokens') ?? countAt(usage, 'output_tokens'),
  })
}
