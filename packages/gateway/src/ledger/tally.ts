import { otherRow, type RowKey } from './row.ts'

/** Counts by what they count. */
export type Counts = Map<string, number>

/** Sums by row, bounded: what comes when all rows are taken is summed up in one more. */
export class Tally {
  readonly #rows = new Map<RowKey, Counts>()
  readonly #maxRows: number
  #overflowed = 0

  /** @param maxRows default 1,000 */
  constructor(maxRows = 1_000) {
    this.#maxRows = maxRows
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0
  }

  /** Counts for which there was no row of their own. */
  get overflowed(): number {
    return this.#overflowed
  }

  add(key: RowKey, counts: Readonly<Record<string, number>>): void {
    const sums = this.#sumsOf(key)
    for (const name in counts) {
      const count = counts[name] ?? 0
      if (count > 0) sums.set(name, (sums.get(name) ?? 0) + count)
    }
  }

  addAll(key: RowKey, counts: Counts): void {
    const sums = this.#sumsOf(key)
    for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count)
  }

  rows(): ReadonlyMap<RowKey, Counts> {
    return this.#rows
  }

  /** Removes a row and hands it out. */
  take(key: RowKey): Counts | undefined {
    const sums = this.#rows.get(key)
    this.#rows.delete(key)
    return sums
  }

  #sumsOf(key: RowKey): Counts {
    const found = this.#rows.get(key)
    if (found !== undefined) return found
    const isFull = this.#rows.size >= this.#maxRows && key !== otherRow
    if (isFull) {
      this.#overflowed++
      return this.#sumsOf(otherRow)
    }
    const sums: Counts = new Map()
    this.#rows.set(key, sums)
    return sums
  }
}
