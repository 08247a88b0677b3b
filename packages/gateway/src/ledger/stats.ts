import type { Ledger } from './ledger.ts'
import { type ObservedReport, type ObservedSource, reportObserved } from './observed-report.ts'
import type { Prices } from './prices.ts'
import { type LedgerReport, type PricesReport, reportLedger, reportPrices } from './report.ts'

/** What `GET /api/v1/stats` says: of a store's calls with a key, or of what one process has observed. */
export type Stats = { readonly prices: PricesReport } & (
  | { readonly mode: 'serving'; readonly ledger: LedgerReport }
  | { readonly mode: 'observing'; readonly observed: ObservedReport }
)

/** Rejects as the store does; what was observed is in the process. */
export async function readStats(prices: Prices, ledger: Ledger, observed: ObservedSource | undefined): Promise<Stats> {
  const told = reportPrices(prices)
  if (observed !== undefined) return { prices: told, mode: 'observing', observed: reportObserved(observed, prices) }
  return { prices: told, mode: 'serving', ledger: reportLedger(await ledger.read(), prices) }
}
