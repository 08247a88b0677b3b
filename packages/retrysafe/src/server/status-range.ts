/** Inclusive range of statuses. */
export interface StatusRange {
  readonly from: number
  readonly to: number
}

export function isIn(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(range => status >= range.from && status <= range.to)
}
