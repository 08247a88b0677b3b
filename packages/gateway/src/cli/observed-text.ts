import {
  addObservedSums,
  noObservedSums,
  type ObservedReport,
  type ObservedRow,
  type SeenDuplicates,
} from '../ledger/observed-report.ts'
import { groupBy, groupTable, moneyText, spendText, tokensText } from './spend-text.ts'

/** For people: what one process saw pass. */
export function observedLines({ since, totals, rows, forgotten }: ObservedReport): string[] {
  const { requests, used, byKey, bySdkRetry, identical, reused } = totals
  return [
    `Observed since ${since}, by this process; nothing was changed`,
    `  ${requests} requests: ${spendText(used)}`,
    `  duplicates with a key              ${duplicatesText(byKey)}`,
    `  retries after a client had left    ${duplicatesText(bySdkRetry)}`,
    `  identical requests without a key   ${duplicatesText(identical)}; one run under --keyless fingerprint alone`,
    `  used keys with another payload     ${reused}; refused (422), or calls of their own under --key-reuse fork`,
    ...(forgotten > 0 ? [`  not compared, or forgotten too early: ${forgotten}`] : []),
    ...(rows.length === 0 ? [] : (['route', 'model'] as const).flatMap(by => ['', ...table(by, rows)])),
  ]
}

function duplicatesText(duplicates: SeenDuplicates): string {
  return `${duplicates.seen}: ${spendText(duplicates)}`
}

function table(by: 'route' | 'model', rows: readonly ObservedRow[]): string[] {
  const head = [by, 'requests', 'by key', 'retries', 'tokens', 'USD', 'identical', 'tokens', 'USD', 'reused']
  return groupTable(head, groupBy(by, rows, noObservedSums, addObservedSums), sums => {
    const { requests, byKey, bySdkRetry, identical, reused } = sums
    const avoidable = addObservedSums({ ...noObservedSums, byKey }, { ...noObservedSums, byKey: bySdkRetry }).byKey
    const counts = [requests, byKey.seen, bySdkRetry.seen].map(String)
    const costs = [tokensText(avoidable), moneyText(avoidable)]
    return [...counts, ...costs, String(identical.seen), tokensText(identical), moneyText(identical), String(reused)]
  })
}
