import { type Fault, faultOf } from './faults.ts'
import { meterKey, type Receipt } from './meter.ts'

/** As many counts are kept; past it the oldest goes, and its faults would apply anew. */
const MAX_COUNTS = 100_000

/** Remembers whose turn it is under `times=N`. */
export interface FaultTurns {
  /**
   * The faults in force for this call: all of them, or none once `times` of the same faults were given to the same
   * key (without a key: on the same path). Each question is a turn taken.
   */
  take(faults: readonly Fault[], receipt: Receipt): readonly Fault[]
  /** Forgets every turn taken. */
  reset(): void
}

export function createFaultTurns(): FaultTurns {
  const taken = new Map<string, number>()
  return {
    take(faults, receipt) {
      const limit = faultOf(faults, 'times')
      if (limit === undefined) return faults
      const whose = receipt.key === undefined ? ['path', receipt.path] : ['key', meterKey(receipt.key)]
      const name = JSON.stringify([faults, ...whose])
      const before = taken.get(name) ?? 0
      if (before >= limit.times) return []
      taken.set(name, before + 1)
      if (taken.size > MAX_COUNTS) dropOldest(taken)
      return faults
    },
    reset: () => taken.clear(),
  }
}

/** A Map keeps the order of first insertion. */
function dropOldest(counts: Map<string, number>): void {
  for (const name of counts.keys()) {
    counts.delete(name)
    return
  }
}
