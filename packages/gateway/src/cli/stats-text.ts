import { addLedgerSums, type LedgerRow, type LedgerSums, noLedgerSums, type PricesReport } from '../ledger/report.ts'
import type { Spend } from '../ledger/spend.ts'
import type { Stats } from '../ledger/stats.ts'

/** Of each table. */
const maxLines = 20

/** For people. Figures that leave something out say so: `≥` before money, `unknown` where nothing is known. */
export function statsText({ prices, ledger }: Stats): string {
  const lines = [
    `Calls with a key since ${ledger.since}`,
    ...(ledger.rows.length === 0 ? ['  none'] : ledgerLines(ledger.totals, ledger.rows)),
    '',
    pricesLine(prices),
  ]
  return `${lines.join('\n')}\n`
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
  const groups = new Map<string, LedgerSums>()
  for (const row of rows) groups.set(row[by], addLedgerSums(groups.get(row[by]) ?? noLedgerSums, row))
  const sorted = [...groups].sort(([, one], [, other]) => other.requests - one.requests)
  const cells = sorted.slice(0, maxLines).map(([name, sums]) => {
    const { requests, operations, attempts, replayed, joined, saved, lost } = sums
    const counts = [requests, operations, attempts, replayed + joined].map(String)
    return [name, ...counts, tokensText(saved), moneyText(saved), moneyText(lost)]
  })
  const head = [by, 'requests', 'operations', 'attempts', 'avoided', 'tokens saved', 'USD saved', 'USD lost']
  const more = sorted.length > maxLines ? [`  and ${sorted.length - maxLines} more: --json has them all`] : []
  return [...columns([head, ...cells]), ...more]
}

/** The first column to the left, figures to the right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0)))
  return rows.map(row => {
    const cells = row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
    return `  ${cells.join('  ')}`
  })
}

export function spendText(spend: Spend): string {
  const missing = [
    ...(spend.callsWithoutUsage > 0 ? [`${spend.callsWithoutUsage} without usage`] : []),
    ...(spend.callsWithoutPrice > 0 ? [`${spend.callsWithoutPrice} of a model without a price`] : []),
  ]
  const left = missing.length > 0 ? ` (${missing.join(', ')})` : ''
  return `${tokensText(spend)} tokens, ${moneyText(spend)} USD${left}`
}

export function tokensText({ inputTokens, outputTokens, callsWithoutUsage, calls }: Spend): string {
  if (calls > 0 && calls === callsWithoutUsage && inputTokens + outputTokens === 0) return 'unknown'
  return `${callsWithoutUsage > 0 ? '≥' : ''}${inputTokens + outputTokens}`
}

export function moneyText({ usd, callsWithoutUsage, callsWithoutPrice }: Spend): string {
  if (usd === null) return 'unknown'
  const isLeast = callsWithoutUsage > 0 || callsWithoutPrice > 0
  return `${isLeast ? '≥' : ''}${usd.toFixed(usd < 1 ? 6 : 2)}`
}

function pricesLine({ asOf, ownAsOf, currency }: PricesReport): string {
  const own = ownAsOf === null ? '' : `, and of --prices as of ${ownAsOf}`
  return `Prices in ${currency} as of ${asOf} (shipped: check them)${own}`
}
