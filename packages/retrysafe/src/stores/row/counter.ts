import type { CounterDeltas } from '../../engine/store.ts'

/** Sums of one bucket, and the last sequence number added by each source, the one that was silent longest first. */
export interface CounterBucket {
  readonly sums: Map<string, number>
  readonly last: Map<string, number>
}

export function emptyBucket(): CounterBucket {
  return { sums: new Map(), last: new Map() }
}

const maxNames = 4_096

/**
 * Adds to the bucket itself, unless the sequence was seen before. Names past the bound are summed up as `other`; of
 * sources past the bound the one that was silent longest is forgotten.
 */
export function addCounts(
  { sums, last }: CounterBucket,
  deltas: CounterDeltas,
  { source, number }: { source: string; number: number },
): 'ok' | 'dup' {
  if ((last.get(source) ?? -1) >= number) return 'dup'
  last.delete(source)
  last.set(source, number)
  dropOldest(last, maxNames)
  for (const [name, delta] of Object.entries(deltas)) {
    const kept = sums.has(name) || sums.size < maxNames ? name : 'other'
    sums.set(kept, (sums.get(kept) ?? 0) + delta)
  }
  return 'ok'
}

export function dropOldest(map: Map<string, unknown>, maxSize: number): void {
  if (map.size <= maxSize) return
  for (const key of map.keys()) return void map.delete(key)
}
