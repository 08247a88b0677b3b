import { countOf, memberOf } from './json-value.ts'

/**
 * What a run used, in tokens; whole numbers from 0 to 2^53 − 1. `undefined` is unknown: the provider did not say, or
 * said no such number. Never a zero in its place.
 */
export interface Usage {
  /** All input, what came from a cache and what went into one included. */
  readonly inputTokens: number | undefined
  /** The part of the input that was read from a cache. */
  readonly cachedInputTokens: number | undefined
  /** The part of the input that was written to a cache. */
  readonly cacheWriteTokens: number | undefined
  /** All output, reasoning included. */
  readonly outputTokens: number | undefined
}

/** What an answer says of its run. */
export interface Report {
  /** The model that answered, as the provider names it. */
  readonly model: string | undefined
  readonly usage: Usage | undefined
}

/** The sum of what is known, or unknown: nothing is known, or the sum is no safe integer. */
export function sumOf(...counts: readonly (number | undefined)[]): number | undefined {
  let sum: number | undefined
  for (const count of counts) if (count !== undefined) sum = (sum ?? 0) + count
  return countOf(sum)
}

/** The usage, or `undefined` when nothing of it is known. */
export function knownUsage(usage: Usage): Usage | undefined {
  return Object.values(usage).some(count => count !== undefined) ? usage : undefined
}

/** Puts a report together from what comes bit by bit: the last word counts. */
export class ReportDraft {
  #model: string | undefined
  #usage: Usage | undefined

  /** @param model anything; no text, or an empty one, says nothing (Azure begins its streams so) */
  note(model: unknown, usage: Usage | undefined): void {
    if (typeof model === 'string' && model !== '') this.#model = model
    if (usage !== undefined) this.#usage = usage
  }

  get report(): Report {
    return { model: this.#model, usage: this.#usage }
  }
}

/** A count of tokens below `value`, found by its path. */
export function countAt(value: unknown, ...path: readonly string[]): number | undefined {
  return countOf(path.reduce(memberOf, value))
}
