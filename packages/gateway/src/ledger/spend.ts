import type { Report } from 'retrysafe/internal/providers/usage'
import type { Prices } from './prices.ts'

/** What calls have cost, or would have. */
export interface Spend {
  readonly calls: number
  /** Calls of which nobody said what they used: tokens and money are what is known of the others. */
  readonly callsWithoutUsage: number
  /** Calls of a model without a price: their money is unknown, and not in `usd`. */
  readonly callsWithoutPrice: number
  readonly inputTokens: number
  /** Part of the input. */
  readonly cachedInputTokens: number
  /** Part of the input. */
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  /** By the price table; `null`: there were calls, and of none of them is it known. */
  readonly usd: number | null
}

/** Answers of these have no output that is counted. */
const embeddings = /(?:embeddings|\/embed|:embedContent|:batchEmbedContents)$/

/**
 * What one call adds to the counts of a purpose (`used`, `saved`, …). Half of a usage is counted, and told as missing.
 *
 * @param path of the request
 */
export function spendCounts(purpose: string, report: Report | undefined, path: string): Record<string, number> {
  const usage = report?.usage
  const { inputTokens, cachedInputTokens = 0, cacheWriteTokens = 0, outputTokens } = usage ?? {}
  const isWhole = inputTokens !== undefined && (outputTokens !== undefined || embeddings.test(path))
  return {
    [`${purpose}.calls`]: 1,
    [`${purpose}.silent`]: isWhole ? 0 : 1,
    [`${purpose}.input`]: inputTokens ?? 0,
    [`${purpose}.cached`]: cachedInputTokens,
    [`${purpose}.written`]: cacheWriteTokens,
    [`${purpose}.output`]: outputTokens ?? 0,
  }
}

/** What a row's counts of a purpose come to. */
export function spendOf(
  purpose: string,
  model: string,
  count: (name: string) => number,
  prices: Pick<Prices, 'cost'>,
): Spend {
  const calls = count(`${purpose}.calls`)
  const callsWithoutUsage = count(`${purpose}.silent`)
  const tokens = {
    inputTokens: count(`${purpose}.input`),
    cachedInputTokens: count(`${purpose}.cached`),
    cacheWriteTokens: count(`${purpose}.written`),
    outputTokens: count(`${purpose}.output`),
  }
  const usd = prices.cost(model, tokens)
  const isKnown = calls === 0 || (usd !== undefined && (calls > callsWithoutUsage || usd > 0))
  const callsWithoutPrice = usd === undefined ? calls : 0
  return { calls, callsWithoutUsage, callsWithoutPrice, ...tokens, usd: isKnown ? (usd ?? 0) : null }
}

export const noSpend: Spend = {
  calls: 0,
  callsWithoutUsage: 0,
  callsWithoutPrice: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  usd: 0,
}

/** Unknown money is left out, and told by the calls without usage or price; of nothing known the sum is unknown. */
export function sumSpend(one: Spend, other: Spend): Spend {
  const known = [one, other].filter(({ calls, usd }) => calls > 0 && usd !== null)
  const calls = one.calls + other.calls
  return {
    calls,
    callsWithoutUsage: one.callsWithoutUsage + other.callsWithoutUsage,
    callsWithoutPrice: one.callsWithoutPrice + other.callsWithoutPrice,
    inputTokens: one.inputTokens + other.inputTokens,
    cachedInputTokens: one.cachedInputTokens + other.cachedInputTokens,
    cacheWriteTokens: one.cacheWriteTokens + other.cacheWriteTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    usd: calls > 0 && known.length === 0 ? null : known.reduce((sum, { usd }) => sum + (usd ?? 0), 0),
  }
}
