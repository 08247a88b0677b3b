import type { Prices } from './prices.ts'
import { type RowKey, type RowName, readRowKey } from './row.ts'
import { noSpend, type Spend, spendOf, sumSpend } from './spend.ts'
import type { Counts } from './tally.ts'

/** What a price table says of itself. */
export interface PricesReport {
  readonly asOf: string
  /** Of the table of `--prices`, which beats the shipped one. */
  readonly ownAsOf: string | null
  readonly currency: 'USD'
}

/** Sums of calls with a key. */
export interface LedgerSums {
  readonly requests: number
  /** Outcomes that were recorded: what was to be done. */
  readonly operations: number
  /** Runs that were sent upstream for them. */
  readonly attempts: number
  /** Attempts that ended with an answer that is no outcome. */
  readonly failed: number
  readonly refused: number
  /** Runs avoided: an earlier outcome was served … */
  readonly replayed: number
  /** … or a running one was shared. */
  readonly joined: number
  /** What the recorded runs have cost. */
  readonly used: Spend
  /** What the avoided ones would have. */
  readonly saved: Spend
  /** Attempts that were cut, cancelled or overtaken: billed perhaps, and nobody has their answer. */
  readonly lost: Spend
}

export type LedgerRow = RowName & LedgerSums

export interface LedgerReport {
  readonly since: string
  readonly totals: LedgerSums
  readonly rows: readonly LedgerRow[]
}

export function reportPrices(prices: Prices): PricesReport {
  return { asOf: prices.asOf, ownAsOf: prices.ownAsOf ?? null, currency: 'USD' }
}

export function reportLedger(
  { since, rows }: { since: string; rows: ReadonlyMap<RowKey, Counts> },
  prices: Pick<Prices, 'cost'>,
): LedgerReport {
  const reported: LedgerRow[] = []
  for (const [key, counts] of rows) {
    const name = readRowKey(key)
    if (name !== undefined && counts.size > 0) reported.push({ ...name, ...sumsOf(counts, name.model, prices) })
  }
  reported.sort((one, other) => other.requests - one.requests)
  return { since, totals: reported.reduce(addLedgerSums, noLedgerSums), rows: reported }
}

function sumsOf(counts: Counts, model: string, prices: Pick<Prices, 'cost'>): LedgerSums {
  const count = (name: string): number => counts.get(name) ?? 0
  return {
    requests: count('requests'),
    operations: count('operations'),
    attempts: count('attempts'),
    failed: count('failed'),
    refused: count('refused'),
    replayed: count('replayed'),
    joined: count('joined'),
    used: spendOf('used', model, count, prices),
    saved: spendOf('saved', model, count, prices),
    lost: spendOf('lost', model, count, prices),
  }
}

export const noLedgerSums: LedgerSums = {
  requests: 0,
  operations: 0,
  attempts: 0,
  failed: 0,
  refused: 0,
  replayed: 0,
  joined: 0,
  used: noSpend,
  saved: noSpend,
  lost: noSpend,
}

export function addLedgerSums(one: LedgerSums, other: LedgerSums): LedgerSums {
  return {
    requests: one.requests + other.requests,
    operations: one.operations + other.operations,
    attempts: one.attempts + other.attempts,
    failed: one.failed + other.failed,
    refused: one.refused + other.refused,
    replayed: one.replayed + other.replayed,
    joined: one.joined + other.joined,
    used: sumSpend(one.used, other.used),
    saved: sumSpend(one.saved, other.saved),
    lost: sumSpend(one.lost, other.lost),
  }
}
