import type { Prices } from './prices.ts'
import { type RowKey, type RowName, readRowKey } from './row.ts'
import { noSpend, type Spend, spendOf, sumSpend } from './spend.ts'
import type { Counts } from './tally.ts'

/** Duplicates of one kind: how many were seen, and what those have cost that got an answer. */
export interface SeenDuplicates extends Spend {
  readonly seen: number
}

/** Sums of requests that passed untouched under `--observe`. */
export interface ObservedSums {
  readonly requests: number
  /** What all of them have cost. */
  readonly used: Spend
  /** Another request had the key, and an outcome. */
  readonly byKey: SeenDuplicates
  /** An SDK came again after its client had left. */
  readonly bySdkRetry: SeenDuplicates
  /** The same without a key: one run under `--keyless fingerprint` alone. */
  readonly identical: SeenDuplicates
  /** A used key with another payload: a 422. */
  readonly reused: number
}

export type ObservedRow = RowName & ObservedSums

export interface ObservedReport {
  /** When the process began to look. */
  readonly since: string
  /** What had to make room, or found none: duplicates of it were not seen. */
  readonly forgotten: number
  readonly totals: ObservedSums
  readonly rows: readonly ObservedRow[]
}

/** Who has looked on. */
export interface ObservedSource {
  /** Since the epoch. */
  readonly sinceMs: number
  readonly forgotten: number
  readonly rows: ReadonlyMap<RowKey, Counts>
}

export function reportObserved(
  { sinceMs, forgotten, rows }: ObservedSource,
  prices: Pick<Prices, 'cost'>,
): ObservedReport {
  const reported: ObservedRow[] = []
  for (const [key, counts] of rows) {
    const name = readRowKey(key)
    if (name !== undefined) reported.push({ ...name, ...sumsOf(counts, name.model, prices) })
  }
  reported.sort((one, other) => other.requests - one.requests)
  const totals = reported.reduce(addObservedSums, noObservedSums)
  return { since: new Date(sinceMs).toISOString(), forgotten, totals, rows: reported }
}

function sumsOf(counts: Counts, model: string, prices: Pick<Prices, 'cost'>): ObservedSums {
  const count = (name: string): number => counts.get(name) ?? 0
  const seen = (kind: string): SeenDuplicates => ({
    seen: count(`${kind}.seen`),
    ...spendOf(kind, model, count, prices),
  })
  return {
    requests: count('requests'),
    used: spendOf('used', model, count, prices),
    byKey: seen('key'),
    bySdkRetry: seen('sdkRetry'),
    identical: seen('identical'),
    reused: count('reused'),
  }
}

const noneSeen: SeenDuplicates = { seen: 0, ...noSpend }

export const noObservedSums: ObservedSums = {
  requests: 0,
  used: noSpend,
  byKey: noneSeen,
  bySdkRetry: noneSeen,
  identical: noneSeen,
  reused: 0,
}

export function addObservedSums(one: ObservedSums, other: ObservedSums): ObservedSums {
  const add = (kind: 'byKey' | 'bySdkRetry' | 'identical'): SeenDuplicates => ({
    seen: one[kind].seen + other[kind].seen,
    ...sumSpend(one[kind], other[kind]),
  })
  return {
    requests: one.requests + other.requests,
    used: sumSpend(one.used, other.used),
    byKey: add('byKey'),
    bySdkRetry: add('bySdkRetry'),
    identical: add('identical'),
    reused: one.reused + other.reused,
  }
}
