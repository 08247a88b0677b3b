import { JsonReader } from 'retrysafe/internal/providers/json-reader'
import { members, plain } from 'retrysafe/internal/providers/json-shape'
import { countOf, memberOf } from 'retrysafe/internal/providers/json-value'
import type { Usage } from 'retrysafe/internal/providers/usage'
import type { Prices } from '../../ledger/prices.ts'
import { requestModel } from '../../ledger/request-model.ts'

/** What of a line says what it will cost. */
export interface PricedLine {
  readonly url: string
  readonly body: Uint8Array
}

/** What of an answer says what it did cost. */
export interface PricedAnswer {
  readonly model?: string
  readonly usage?: Usage
}

/** A guess before anything is sent: about so much in, at most so much out. */
export interface TokenEstimate {
  readonly model: string | undefined
  readonly inputTokens: number
  readonly outputTokens: number
}

/** English text, JSON around it. */
const bytesPerToken = 4
/** Of a line that sets no bound itself. */
export const assumedOutputTokens = 4_096
/** A bound that no model has says nothing. */
const mostOutputTokens = 1_000_000

const shape = members({
  model: plain,
  max_tokens: plain,
  max_completion_tokens: plain,
  max_output_tokens: plain,
  n: plain,
  generationConfig: members({ maxOutputTokens: plain, candidateCount: plain }),
})
/** Answers of these have no output that is counted. */
const embeddings = /(?:embeddings|\/embed|:embedContent|:batchEmbedContents)$/

/** Whether the answers of a path, without its query, have no output that is counted. */
export function hasNoOutput(path: string): boolean {
  return embeddings.test(path)
}

/** About what a line takes: a token for four bytes in, and as many out as it allows. */
export function estimateTokens({ url, body }: PricedLine): TokenEstimate {
  const reader = new JsonReader(shape)
  reader.writeAll(body)
  const value = reader.value
  const path = url.replace(/\?.*/s, '')
  const model = memberOf(value, 'model')
  const config = memberOf(value, 'generationConfig')
  const bounds = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'].map(name => memberOf(value, name))
  const bound = [...bounds, memberOf(config, 'maxOutputTokens')].map(countOf).find(count => count !== undefined)
  const answers = countOf(memberOf(value, 'n')) ?? countOf(memberOf(config, 'candidateCount')) ?? 1
  const outputTokens = Math.min(bound ?? assumedOutputTokens, mostOutputTokens) * Math.min(Math.max(answers, 1), 128)
  return {
    model: typeof model === 'string' && model !== '' ? model : requestModel(path, new Uint8Array()),
    inputTokens: Math.ceil(body.byteLength / bytesPerToken),
    outputTokens: hasNoOutput(path) ? 0 : outputTokens,
  }
}

/** All tokens of an answer; `undefined` where it did not say. */
export function tokensUsed({ usage }: PricedAnswer): number | undefined {
  if (usage?.inputTokens === undefined && usage?.outputTokens === undefined) return undefined
  return (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0)
}

/** USD of an answer by its usage; `undefined`: nobody here knows, and that is no zero. */
export function costOf(prices: Pick<Prices, 'cost'>, { model, usage }: PricedAnswer): number | undefined {
  const { inputTokens, cachedInputTokens = 0, cacheWriteTokens = 0, outputTokens } = usage ?? {}
  if (model === undefined || inputTokens === undefined || outputTokens === undefined) return undefined
  return prices.cost(model, { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens })
}

/** USD that a line may cost at most, about. */
export function estimateCost(prices: Pick<Prices, 'cost'>, line: PricedLine): number | undefined {
  const { model, inputTokens, outputTokens } = estimateTokens(line)
  if (model === undefined) return undefined
  return prices.cost(model, { inputTokens, outputTokens, cachedInputTokens: 0, cacheWriteTokens: 0 })
}
