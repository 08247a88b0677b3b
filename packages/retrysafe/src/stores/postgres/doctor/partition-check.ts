import { doubtful, type Finding, fine } from '../../finding.ts'

export interface PartitionFacts {
  /** `YYYYMMDD` of each day that has a partition. */
  readonly days: ReadonlySet<string>
  /** The store's clock. */
  readonly nowMs: number
  /** Rows in the default partition; more than 10,000 are not counted. */
  readonly strays: number
}

const dayMs = 86_400_000
/** An answer that is kept for 24 h stands in the partition of the third day from now. */
const neededAhead = 3
const cure = 'a gateway that runs makes them every hour; or run retrysafe migrate --store URL'

export function judgePartitions({ days, nowMs, strays }: PartitionFacts): Finding {
  const missing = Array.from({ length: neededAhead + 1 }, (_, ahead) => dayOf(nowMs + ahead * dayMs)).filter(
    day => !days.has(day),
  )
  const stray = `${strays >= 10_000 ? 'over 10,000' : strays} rows wait in log_default, which is emptied row by row`
  if (missing.length > 0) {
    const waiting = strays > 0 ? `; ${stray}` : ''
    return doubtful('partitions', `none for ${missing.join(', ')}: their bytes go to log_default${waiting}`, cure)
  }
  if (strays > 0) return doubtful('partitions', `made ahead, but ${stray}`, cure)
  const last = [...days].filter(day => /^\d{8}$/.test(day)).sort()
  return fine('partitions', `made ahead up to ${last.at(-1)}; none of the bytes is astray`)
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10).replaceAll('-', '')
}
