import type { CounterDeltas } from '../../engine/store.ts'

interface Bucket {
  readonly sums: Map<string, number>
  /** The last sequence number added, by source. */
  readonly last: Map<string, number>
}

const maxBuckets = 4_096
const maxNames = 4_096

/** Bounded sums for the ledger; adding the same sequence twice counts once. */
export class Counters {
  readonly #buckets = new Map<string, Bucket>()

  add(bucketName: string, deltas: CounterDeltas, sequence: { source: string; number: number }): 'ok' | 'dup' {
    const bucket = this.#buckets.get(bucketName) ?? { sums: new Map(), last: new Map() }
    this.#buckets.set(bucketName, bucket)
    dropOldest(this.#buckets, maxBuckets)
    if ((bucket.last.get(sequence.source) ?? -1) >= sequence.number) return 'dup'
    bucket.last.set(sequence.source, sequence.number)
    dropOldest(bucket.last, maxNames)
    for (const [name, delta] of Object.entries(deltas)) {
      const kept = bucket.sums.has(name) || bucket.sums.size < maxNames ? name : 'other'
      bucket.sums.set(kept, (bucket.sums.get(kept) ?? 0) + delta)
    }
    return 'ok'
  }

  read(bucketName: string): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#buckets.get(bucketName)?.sums ?? [])
  }
}

function dropOldest<Key>(map: Map<Key, unknown>, maxSize: number): void {
  if (map.size <= maxSize) return
  for (const key of map.keys()) return void map.delete(key)
}
