import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, expect, test } from 'vitest'
import { seededRandom } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { machineMs, makeProcessFolder, spread } from '../../support/process-figures.ts'
import { killAll } from '../../support/process-member.ts'
import { audit, judgeEffects, judgeHistory } from '../crew-verdict.ts'
import { WorkerCrew } from '../worker-crew.ts'

/** `KILLS=200`: as many kills of the server; `SEED`: the same moments (counted in completions). */
const kills = Number(process.env.KILLS ?? 20)
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const workers = 4
/** Completions from one start of the server to its next kill; 250 a life are the least that is asked for. */
const [fewest, most] = [255, 300]
/** Every so often the server lives so long that what nobody finished can be taken over. */
const longLifeEvery = 7
const leaseMs = 700
const graceMs = 2_000
/** The store reads its clock before it commits: what is counted from it is shorter by the time that the commit takes. */
const commitWithinMs = 1_000

// By default a killed server opens each file to sync it before it recovers, which takes seconds; this syncs them all at once.
const settings = process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {}
const server = await startPostgres({ settings })
const url = await server.createDatabase()
await migrate({ url })
const random = seededRandom(seed)
const folder = makeProcessFolder()
const crew = new WorkerCrew(folder.path, `${url}?connections=6`, {
  callers: 12,
  keysPerSecond: 300,
  keysAtOnce: 1_500,
  frees: true,
  leaseMs,
  insists: true,
})

afterAll(async () => {
  await killAll(crew.lives.map(({ member }) => member))
  await server.stop()
  folder.remove()
})

/** Kills the server after some completions more, and starts it again; answers how long nobody could complete anything. */
async function killServer(number: number): Promise<number> {
  const startedMs = machineMs()
  const count = fewest + Math.floor(random.unit() * (most - fewest))
  await crew.reach(crew.acknowledged + count, 30_000)
  while (number % longLifeEvery === 0 && machineMs() - startedMs < leaseMs + graceMs + 1_000) {
    await crew.reach(crew.acknowledged + 1, 30_000)
  }
  const killedMs = machineMs()
  await server.kill()
  await server.start()
  await crew.reach(crew.acknowledged + 1, 30_000)
  return machineMs() - killedMs
}

const timeout = 120_000 + kills * 10_000
test(`${kills} kills (-9) of the server under load: no acknowledged completion is lost or changed`, {
  timeout,
}, async () => {
  const startMs = machineMs()
  for (let count = 0; count < workers; count++) crew.start()
  const outagesMs: number[] = []
  for (let number = 1; number <= kills; number++) outagesMs.push(await killServer(number))
  const ends = await Promise.all(crew.alive.map(({ member }) => member.ask<{ refused: number }>('finish')))
  await killAll(crew.alive.map(({ member }) => member))
  const loadMs = machineMs() - startMs
  const { count, keys, wrong, operations: audited } = await audit(crew)
  console.log(
    `kills: ${kills} of the server, ${workers} processes, seed ${seed}, ${(loadMs / 1_000).toFixed(1)} s; ` +
      `${count} acknowledged completions re-read, ${wrong.length} lost or changed; ` +
      `${ends.reduce((sum, end) => sum + end.refused, 0)} steps refused; from a kill to the next completion ${spread(outagesMs)}`,
  )
  const operations = [...crew.lives.flatMap(worker => crew.operationsOf(worker)), ...audited]
  const options = { lateTakeover: true, leaseSlackMs: commitWithinMs }
  const violations = [...judgeHistory(crew, operations, options), ...judgeEffects(crew, operations)]
  expect(wrong).toEqual([])
  expect(keys).toBe(count)
  expect(count).toBeGreaterThanOrEqual(250 * kills)
  expect(violations).toEqual([])
  expect(server.log().match(/not properly shut down/g)).toHaveLength(kills)
})
