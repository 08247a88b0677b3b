import type { Surroundings, Timer } from 'retrysafe/internal/engine/clock'
import type { Store } from 'retrysafe/internal/engine/store'
import { otherRow, type RowKey, readRowKey } from './row.ts'
import type { Counts, Tally } from './tally.ts'

/** How long counts stay in this process, at most: what is lost when it is killed. */
const flushMs = 10_000
/** Rows of a store. Processes may pass it by a few each before they see one another's. */
const maxRows = 1_000
/** The names of all rows: read to find them. */
const indexBucket = 'ledger rows'
const readsAtOnce = 16

export interface LedgerStoreTerms {
  readonly store: Pick<Store, 'count' | 'counters' | 'metaInit' | 'now'>
  readonly surroundings: Surroundings
  /** What has been counted here. Rows are taken out of it when they go to the store. */
  readonly tally: Tally
}

/** Counts on their way: sent again under the same number until the store has answered, so that they count once. */
interface Sending {
  readonly counts: Counts
  readonly number: number
}

/**
 * The ledger of all gateways on one store: a bucket of counters a row, and one with the names of all rows. Counts are
 * brought there some seconds later, away from every request's way; a row is named before it is counted, so that none is
 * counted that nobody finds.
 */
export class LedgerStore {
  readonly #terms: LedgerStoreTerms
  /** Of the sequence of this process. */
  readonly #source: string
  #number = 0
  readonly #sending = new Map<RowKey, Sending>()
  #named: Set<string> | undefined
  #timer: Timer | undefined
  #flushing: Promise<void> | undefined
  #closed = false

  constructor(terms: LedgerStoreTerms) {
    this.#terms = terms
    this.#source = Buffer.from(terms.surroundings.random.bytes(16)).toString('base64url')
  }

  /** Something was counted: it will be in the store soon. */
  counted(): void {
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = this.#terms.surroundings.timers.after(flushMs, () => {
      this.#timer = undefined
      this.flush().catch(() => this.counted())
    })
  }

  /** Rejects as the store does: then all that it has not acknowledged is sent again. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing.catch(() => {})
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  /** Every row of the store, with its counts, and since when they are counted. */
  async read(): Promise<{ since: string; rows: ReadonlyMap<RowKey, Counts> }> {
    const { store } = this.#terms
    const since = await this.#since()
    const names = Object.keys(await store.counters(indexBucket)).filter(name => readRowKey(name) !== undefined)
    const rows = new Map<RowKey, Counts>()
    for (let at = 0; at < names.length; at += readsAtOnce) {
      const keys = names.slice(at, at + readsAtOnce) as RowKey[]
      const buckets = await Promise.all(keys.map(key => store.counters(bucketOf(key))))
      for (const [index, key] of keys.entries()) rows.set(key, new Map(Object.entries(buckets[index] ?? {})))
    }
    return { since, rows }
  }

  /** Nothing is brought to the store any more, but by `flush`. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #flush(): Promise<void> {
    const { tally } = this.#terms
    if (tally.isEmpty && this.#sending.size === 0) return
    await this.#since()
    await this.#sendAll()
    // What comes to them from here on is for the next flush: under load there would be no end.
    for (const key of [...tally.rows().keys()]) if (key !== otherRow) await this.#begin(key)
    if (tally.rows().has(otherRow)) await this.#begin(otherRow)
    await this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    for (const [key, sending] of [...this.#sending]) await this.#send(key, sending)
  }

  /** Nothing is awaited between taking a row's counts out and having them on their way. */
  async #begin(key: RowKey): Promise<void> {
    const { tally } = this.#terms
    if (await this.#hasName(key)) {
      const counts = tally.take(key)
      if (counts !== undefined) this.#sending.set(key, { counts, number: ++this.#number })
      return
    }
    const counts = tally.take(key)
    if (counts !== undefined) tally.addAll(otherRow, counts)
  }

  async #send(key: RowKey, { counts, number }: Sending): Promise<void> {
    await this.#count(bucketOf(key), counts, number)
    this.#sending.delete(key)
  }

  /** Whether the row is in the index, or has been put there. */
  async #hasName(key: RowKey): Promise<boolean> {
    if (this.#named?.has(key)) return true
    // Names stay.
    if (this.#named !== undefined && this.#named.size >= maxRows && key !== otherRow) return false
    this.#named = new Set(Object.keys(await this.#terms.store.counters(indexBucket)))
    if (this.#named.has(key)) return true
    if (this.#named.size >= maxRows && key !== otherRow) return false
    await this.#count(indexBucket, new Map([[key, 1]]), ++this.#number)
    this.#named.add(key)
    return true
  }

  async #count(bucket: string, counts: Counts, number: number): Promise<void> {
    await this.#terms.store.count(bucket, Object.fromEntries(counts), { source: this.#source, number })
  }

  async #since(): Promise<string> {
    const { store } = this.#terms
    const now = new Date(await store.now()).toISOString()
    return Buffer.from(await store.metaInit('ledger since', Buffer.from(now))).toString()
  }
}

function bucketOf(key: RowKey): string {
  return `ledger ${key}`
}
