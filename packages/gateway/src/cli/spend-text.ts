import type { RowName } from '../ledger/row.ts'
import type { Spend } from '../ledger/spend.ts'

/** Of each table. */
const maxLines = 20

/** Sums by one part of the rows' names, the busiest first. */
export function groupBy<Sums extends { readonly requests: number }>(
  by: keyof RowName,
  rows: readonly (RowName & Sums)[],
  none: Sums,
  add: (one: Sums, other: Sums) => Sums,
): [string, Sums][] {
  const groups = new Map<string, Sums>()
  for (const row of rows) groups.set(row[by], add(groups.get(row[by]) ?? none, row))
  return [...groups].sort(([, one], [, other]) => other.requests - one.requests)
}

export function groupTable<Sums>(
  head: readonly string[],
  groups: readonly (readonly [string, Sums])[],
  cellsOf: (sums: Sums) => readonly string[],
): string[] {
  const cells = groups.slice(0, maxLines).map(([name, sums]) => [name, ...cellsOf(sums)])
  const more = groups.length > maxLines ? [`  and ${groups.length - maxLines} more: --json has them all`] : []
  return [...columns([head, ...cells]), ...more]
}

/** The first column to the left, figures to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
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
