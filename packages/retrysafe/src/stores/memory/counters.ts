import type { CounterDeltas } from '../../engine/store.ts'
import { addCounts, type CounterBucket, dropOldest, emptyBucket } from '../row/counter.ts'

const maxBuckets = 4_096

/** Bounded sums for the ledger; adding the same sequence twice counts once. */
export class Counters {
  readonly #buckets = new Map<string, CounterBucket>()

  add(bucketName: string, deltas: CounterDeltas, sequence: { source: string; number: number }): 'ok' | 'dup' {
    const bucket = this.#buckets.get(bucketName) ?? emptyBucket()
    this.#buckets.set(bucketName, bucket)
    dropOldest(this.#buckets, maxBuckets)
    return addCounts(bucket, deltas, sequence)
  }

  read(bucketName: string): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#buckets.get(bucketName)?.sums ?? [])
  }
}
