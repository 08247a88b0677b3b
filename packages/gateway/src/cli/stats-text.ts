import {
  addLedgerSums,
  type LedgerReport,
  type LedgerRow,
  type LedgerSums,
  noLedgerSums,
  type PricesReport,
} from '../ledger/report.ts'
import type { Stats } from '../ledger/stats.ts'
import { observedLines } from './observed-text.ts'
import { groupBy, groupTable, moneyText, spendText, tokensText } from './spend-text.ts'

/** For people. Figures that leave something out say so: `≥` before money, `unknown` where nothing is known. */
export function statsText(stats: Stats): string {
  const lines = stats.mode === 'serving' ? servingLines(stats.ledger) : observedLines(stats.observed)
  return `${[...lines, '', pricesLine(stats.prices)].join('\n')}\n`
}

function servingLines({ since, totals, rows }: LedgerReport): string[] {
  return [`Calls with a key since ${since}`, ...(rows.length === 0 ? ['  none'] : ledgerLines(totals, rows))]
}

function ledgerLines(totals: LedgerSums, rows: readonly LedgerRow[]): string[] {
  const { operations, attempts, replayed, joined, failed, refused, used, saved, lost } = totals
  return [
    `  ${totals.requests} requests: ${operations} operations in ${attempts} attempts, ${failed} failed, ${refused} refused`,
    `  runs avoided  ${replayed + joined} (${replayed} replayed, ${joined} joined): ${spendText(saved)}`,
    `  spent         ${spendText(used)}`,
    `  lost          ${lost.calls} attempts cut, cancelled or overtaken: ${spendText(lost)}`,
    ...(['route', 'model', 'tenant'] as const).flatMap(by => ['', ...table(by, rows)]),
  ]
}

function table(by: 'route' | 'model' | 'tenant', rows: readonly LedgerRow[]): string[] {
  const head = [by, 'requests', 'operations', 'attempts', 'avoided', 'tokens saved', 'USD saved', 'USD lost']
  return groupTable(head, groupBy(by, rows, noLedgerSums, addLedgerSums), sums => {
    const { requests, operations, attempts, replayed, joined, saved, lost } = sums
    const counts = [requests, operations, attempts, replayed + joined].map(String)
    return [...counts, tokensText(saved), moneyText(saved), moneyText(lost)]
  })
}

function pricesLine({ asOf, ownAsOf, currency }: PricesReport): string {
  const own = ownAsOf === null ? '' : `, and of --prices as of ${ownAsOf}`
  return `Prices in ${currency} as of ${asOf} (shipped: check them)${own}`
}
