import { afterAll, describe, expect, test } from 'vitest'
import { seededRandom } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { machineMs, makeProcessFolder, spread } from '../../support/process-figures.ts'
import { killAll } from '../../support/process-member.ts'
import { type Settings, startRedis } from '../../support/redis/server.ts'
import { type Audit, audit, judgeEffects, judgeHistory } from '../crew-verdict.ts'
import { WorkerCrew } from '../worker-crew.ts'
import { withTwins } from './twins.ts'

/** `KILLS=200`: as many kills of the server; `SEED`: the same moments (counted in completions). */
const kills = Number(process.env.KILLS ?? 20)
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const workers = 4
/** Completions from one start of the server to its next kill; 250 a life are the least that is asked for. */
const [fewest, most] = [250, 262]
/** Every so often the server lives so long that what nobody finished can be taken over. */
const longLifeEvery = 10
const leaseMs = 700
const graceMs = 2_000

interface Run extends Audit {
  readonly crew: WorkerCrew
  /** From each kill until something was completed again, on the machine's clock. */
  readonly outages: readonly { readonly fromMs: number; readonly toMs: number }[]
}

/** Kills a server of these settings again and again under load; then a fresh process reads all that was acknowledged. */
async function killUnderLoad(settings: Settings, count: number): Promise<Run> {
  const folder = makeProcessFolder()
  const server = await startRedis({ settings })
  const crew = new WorkerCrew(folder.path, server.url, {
    callers: 12,
    keysPerSecond: 300,
    keysAtOnce: 1_500,
    frees: true,
    leaseMs,
    insists: true,
  })
  afterAll(async () => {
    await killAll(crew.lives.map(({ member }) => member))
    await server.discard()
    folder.remove()
  })
  const random = seededRandom(seed)
  const startMs = machineMs()
  for (let place = 0; place < workers; place++) crew.start()
  const outages: { fromMs: number; toMs: number }[] = []
  for (let number = 1; number <= count; number++) {
    const lifeMs = machineMs()
    await crew.reach(crew.acknowledged + fewest + Math.floor(random.unit() * (most - fewest)), 30_000)
    while (number % longLifeEvery === 0 && machineMs() - lifeMs < leaseMs + graceMs + 1_000) {
      await crew.reach(crew.acknowledged + 1, 30_000)
    }
    const fromMs = machineMs()
    await server.kill()
    await server.start()
    await crew.reach(crew.acknowledged + 1, 30_000)
    outages.push({ fromMs, toMs: machineMs() })
  }
  const ends = await Promise.all(crew.alive.map(({ member }) => member.ask<{ refused: number }>('finish')))
  await killAll(crew.alive.map(({ member }) => member))
  const audited = await audit(crew)
  console.log(
    `kills: ${count} of a server with ${JSON.stringify(settings)}, ${workers} processes, seed ${seed}, ` +
      `${((machineMs() - startMs) / 1_000).toFixed(1)} s; ${audited.count} acknowledged completions re-read, ` +
      `${audited.wrong.length} lost or changed; ${ends.reduce((sum, { refused }) => sum + refused, 0)} steps refused; ` +
      `from a kill to the next completion ${spread(outages.map(({ fromMs, toMs }) => toMs - fromMs))}`,
  )
  return { ...audited, crew, outages }
}

describe('kills (-9) of the server under load', () => {
  test(`${kills} with appendfsync always: no acknowledged completion is lost or changed`, {
    timeout: 120_000 + kills * 10_000,
  }, async () => {
    const { crew, count, keys, wrong, operations: audited, outages } = await killUnderLoad({}, kills)
    const asked = crew.lives.flatMap(worker => crew.operationsOf(worker))
    const operations = [...withTwins(asked, outages), ...audited]
    const options = { lateTakeover: true, leaseSlackMs: 2 }
    const violations = [...judgeHistory(crew, operations, options), ...judgeEffects(crew, operations)]
    expect(wrong).toEqual([])
    expect(keys).toBe(count)
    expect(count).toBeGreaterThanOrEqual(250 * kills)
    expect(violations).toEqual([])
  })

  test('2 with snapshots instead of an append-only file: the same test sees what is lost', {
    timeout: 60_000,
  }, async () => {
    const { wrong } = await killUnderLoad({ appendonly: 'no', save: '1 1' }, 2)
    expect(wrong.length).toBeGreaterThan(0)
  })
})
