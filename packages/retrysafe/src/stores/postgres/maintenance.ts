import type { Database } from './database.ts'
import { codeOf } from './store-error.ts'

const dayMs = 86_400_000
/** Days are made ahead of need, and the past is dropped, this often. */
const everyMs = 3_600_000
/** When another transaction was in the way. */
const againMs = 30_000
/** A record's bytes stand in the partition of two days after its expiry, and the clocks of the machines may differ. */
const spareDays = 4
/** Records that go in one transaction: claims come in between. */
const portionRecords = 200
/** Entries that are only moved are looked at too, and do not count. */
const mostSweeps = 8
/** As many as the function makes. */
const mostDays = 101

/** The work behind the steps: expired records go in small portions, partitions of the log in whole days. */
export class Maintenance {
  readonly #database: Database
  readonly #monotonicMs: () => number
  #aheadDays = 1 + spareDays
  #dueMs = Number.NEGATIVE_INFINITY

  constructor(database: Database, monotonicMs: () => number) {
    this.#database = database
    this.#monotonicMs = monotonicMs
  }

  /** A record is to be kept for so long: its partition must be there. */
  sees(retentionMs: number): void {
    const days = Math.ceil(retentionMs / dayMs) + spareDays
    if (days <= this.#aheadDays) return
    this.#aheadDays = days
    this.#dueMs = Number.NEGATIVE_INFINITY
  }

  /** Removes at most `limit` expired records; answers how many. */
  async sweep(limit: number): Promise<number> {
    let removed = 0
    for (let sweeps = 0; sweeps < mostSweeps && removed < limit; sweeps++) {
      const portion = Math.min(portionRecords, limit - removed)
      const answer = await this.#database.call<{ removed: number; looked: number }>('sweep', [portion])
      removed += answer.removed
      if (answer.looked < portion) break
    }
    await this.#maintain()
    return removed
  }

  async #maintain(): Promise<void> {
    const nowMs = this.#monotonicMs()
    if (nowMs < this.#dueMs) return
    this.#dueMs = nowMs + everyMs
    try {
      // Each in a transaction of its own: nobody waits for all of them.
      for (let calls = 0; calls <= mostDays; calls++) {
        if ((await this.#database.call<{ created: number }>('maintain', [this.#aheadDays])).created === 0) break
      }
    } catch (error) {
      // Until it is done, bytes of new days wait in the default partition.
      this.#dueMs = nowMs + againMs
      if (codeOf(error) !== 'STORE_UNAVAILABLE') throw error
    }
  }
}
