import type { LedgerReport, PricesReport } from './report.ts'

/** What `GET /api/v1/stats` says. */
export interface Stats {
  readonly prices: PricesReport
  readonly ledger: LedgerReport
}
