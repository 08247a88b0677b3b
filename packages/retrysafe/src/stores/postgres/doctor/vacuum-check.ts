import { doubtful, type Finding, fine } from '../../finding.ts'

/** The server's statistics of the table of records. */
export interface VacuumFacts {
  readonly autovacuum: boolean
  readonly live: number
  readonly dead: number
  readonly updates: number
  /** Those that stayed in their page and touched no index. */
  readonly hotUpdates: number
  readonly vacuumedAtMs: number | null
  /** With indexes. */
  readonly bytes: number
}

/** The table asks for a vacuum at 2 % of dead rows: at ten times that it does not get one. */
const mostDeadShare = 0.2
const fewestDead = 10_000
const leastHotShare = 0.8
const fewestUpdates = 1_000
const lookFor = 'end transactions that stay open (xact_start in pg_stat_activity, prepared ones, replication slots)'

export function judgeVacuum(facts: VacuumFacts): Finding {
  const { autovacuum, live, dead, updates, hotUpdates, vacuumedAtMs, bytes } = facts
  const hotShare = updates === 0 ? 1 : hotUpdates / updates
  const vacuumed = vacuumedAtMs === null ? 'never' : new Date(vacuumedAtMs).toISOString()
  const says = [
    `${live} records, ${dead} dead rows, ${(bytes / 1_048_576).toFixed(1)} MiB`,
    `${Math.floor(hotShare * 100)} % of ${updates} updates HOT`,
    `last vacuum: ${vacuumed}`,
  ].join('; ')
  if (!autovacuum) return doubtful('vacuum', `autovacuum is off, so the tables only grow: ${says}`, 'autovacuum = on')
  if (dead >= fewestDead && dead > live * mostDeadShare) {
    return doubtful('vacuum', `autovacuum does not keep up: ${says}`, lookFor)
  }
  if (updates >= fewestUpdates && hotShare < leastHotShare) {
    return doubtful('vacuum', `updates find no room in their page, so indexes grow: ${says}`, lookFor)
  }
  return fine('vacuum', says)
}
