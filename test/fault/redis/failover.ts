import { openStore } from '../../../packages/retrysafe/src/stores/open.ts'
import { machineMs, makeProcessFolder } from '../../support/process-figures.ts'
import { killAll } from '../../support/process-member.ts'
import { type RedisPair, startRedisWithReplica } from '../../support/redis/replica.ts'
import type { RedisServer } from '../../support/redis/server.ts'
import { type Audit, audit } from '../crew-verdict.ts'
import { type Load, WorkerCrew } from '../worker-crew.ts'
import { countLosses, findTwoTokens, type Kept, type Losses } from './failover-losses.ts'

export interface FailoverTerms {
  /** How late the replica gets what the primary has done; 0: as Redis has it. */
  readonly delayMs: number
  /** `min-replicas-to-write 1` on the primary. */
  readonly minReplicas: boolean
  /** Acknowledged completions before the kill, at least. */
  readonly completions: number
}

export interface FailoverRun extends Losses {
  readonly audit: Audit
  readonly twoTokens: readonly string[]
  /** From the kill to the next completion. */
  readonly awayMs: number
}

export const load: Load = {
  callers: 12,
  keysPerSecond: 300,
  keysAtOnce: 300,
  frees: false,
  leaseMs: 2_000,
  insists: true,
}

/** Kills a primary under load, promotes its replica, goes on, and compares what was acknowledged with what is left. */
export async function failOver(terms: FailoverTerms): Promise<FailoverRun> {
  const folder = makeProcessFolder()
  const pair = await startRedisWithReplica()
  const crew = new WorkerCrew(folder.path, pair.url, load)
  try {
    const link = terms.delayMs > 0 ? await pair.intercept() : undefined
    link?.delay(terms.delayMs)
    if (terms.minReplicas) await pair.primary.execute('CONFIG', 'SET', 'min-replicas-to-write', '1')
    for (let place = 0; place < 3; place++) crew.start()
    await crew.reach(terms.completions, 60_000)
    const killedMs = machineMs()
    // What the replica has not got yet would be in the primary's own buffers, and ends with it.
    link?.stall('server')
    const { kept, promotedMs } = await killAndPromote(pair)
    await crew.reach(crew.acknowledged + 1, 30_000)
    const awayMs = machineMs() - killedMs
    await crew.reach(crew.acknowledged + 300, 30_000)
    await Promise.all(crew.alive.map(({ member }) => member.ask('finish')))
    const operations = crew.lives.flatMap(worker => crew.operationsOf(worker))
    const audited = await audit(crew)
    return {
      ...countLosses(crew, operations, kept, promotedMs),
      audit: audited,
      twoTokens: findTwoTokens([...operations, ...audited.operations], promotedMs),
      awayMs,
    }
  } finally {
    await killAll(crew.lives.map(({ member }) => member))
    await pair.discard()
    folder.remove()
  }
}

/** Nobody reaches the replica before all that it has was read. */
async function killAndPromote(pair: RedisPair): Promise<{ kept: Map<string, Kept>; promotedMs: number }> {
  await pair.primary.kill()
  pair.front.refuse()
  await pair.replica.execute('REPLICAOF', 'NO', 'ONE')
  const kept = await readAll(pair.replica)
  await pair.promote()
  const promotedMs = machineMs()
  await pair.front.accept()
  return { kept, promotedMs }
}

async function readAll({ url }: RedisServer): Promise<Map<string, Kept>> {
  const store = await openStore(url)
  try {
    const kept = new Map<string, Kept>()
    for (let cursor: string | undefined; ; ) {
      const page = await store.list({ limit: 500, ...(cursor !== undefined && { cursor }) })
      for (const { id, state, fence } of page.records) kept.set(id, { state, fence })
      if (page.cursor === undefined) return kept
      cursor = page.cursor
    }
  } finally {
    await store.close()
  }
}
