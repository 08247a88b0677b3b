import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { seededRandom } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { machineMs, makeProcessFolder, spread } from '../../support/process-figures.ts'
import { killAll } from '../../support/process-member.ts'
import { audit, judgeEffects, judgeHistory } from '../crew-verdict.ts'
import { heldBy, type Worker, WorkerCrew } from '../worker-crew.ts'

/** `KILLS=500`: as many kills; `SEED`: the same choices of victims and of moments (counted in completions). */
const kills = Number(process.env.KILLS ?? 50)
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const workers = 4
/** Completions from one kill to the next. */
const [fewest, most] = [105, 250]
/** Every so often all are killed at once: who opens the store next is alone with it. */
const allEvery = 10
/** Far less than a lease: a claim's time on a busy machine. */
const takeoverWithinMs = 2_000

/** A write that takes longer gets no answer. */
const commitWithinMs = 2_000

const random = seededRandom(seed)
const below = (count: number): number => Math.floor(random.unit() * count)
const folder = makeProcessFolder()
const crew = new WorkerCrew(folder.path, `lmdb:${join(folder.path, 'store')}`, {
  callers: 24,
  keysPerSecond: 600,
  keysAtOnce: 300,
  frees: process.env.FREES === '1',
  leaseMs: 30_000,
  insists: false,
})

afterAll(async () => {
  await killAll(crew.lives.map(({ member }) => member))
  folder.remove()
})

interface Seized {
  readonly kind: string
  readonly fence?: number
  readonly atMs: number
}

/** Asks a living worker for everything that a killed one held, until none of it is the dead one's any more. */
async function seizeAll(victim: Worker, by: Worker): Promise<number[]> {
  await by.member.ask('ready')
  const tookMs = heldBy(crew.operationsOf(victim)).map(({ key, fence }) => seize(key, fence, by))
  return (await Promise.all(tookMs)).filter(ms => ms !== undefined)
}

/** @returns how long the takeover took; `undefined` when somebody else was faster */
async function seize(key: string, fence: number, by: Worker): Promise<number | undefined> {
  const fromMs = machineMs()
  for (let tries = 0; ; tries++) {
    const owner = `${by.member.name} for ${key} ${fence} ${tries}`
    const { kind, fence: found, atMs } = await by.member.ask<Seized>('seize', { key, owner })
    if (kind === 'acquired') return atMs - fromMs
    expect(['running', 'completed', 'unknown', 'cooling']).toContain(kind)
    if (kind !== 'running' || found !== fence) return undefined
    expect(atMs - fromMs, `${key} still belongs to a killed process`).toBeLessThan(takeoverWithinMs)
  }
}

/** Kills one worker, or all, after some completions more, and starts as many again. */
async function killAfterProgress(number: number): Promise<number[]> {
  await crew.reach(crew.acknowledged + fewest + below(most - fewest), 30_000)
  const isAll = number % allEvery === 0
  const victims = isAll ? [...crew.alive] : crew.alive.slice(below(workers)).slice(0, 1)
  await Promise.all(victims.map(victim => crew.kill(victim)))
  const fresh = victims.map(() => crew.start())
  const [by] = isAll ? fresh : crew.alive
  if (by === undefined) throw new Error('nobody is left')
  return (await Promise.all(victims.map(victim => seizeAll(victim, by)))).flat()
}

const timeout = 60_000 + kills * 3_000
test(`${kills} kills (-9) under load: no acknowledged completion is lost or changed`, { timeout }, async () => {
  const startMs = machineMs()
  for (let count = 0; count < workers; count++) crew.start()
  const takeoverMs: number[] = []
  for (let number = 1; number <= kills; number++) takeoverMs.push(...(await killAfterProgress(number)))
  const ends = await Promise.all(crew.alive.map(({ member }) => member.ask<{ refused: number }>('finish')))
  await killAll(crew.alive.map(({ member }) => member))
  const loadMs = machineMs() - startMs
  const { count, keys, wrong, operations: audited } = await audit(crew)
  console.log(
    `kills: ${kills} (every ${allEvery}th of all ${workers} processes at once, ${crew.deaths.length} processes in all), ` +
      `seed ${seed}, ${(loadMs / 1_000).toFixed(1)} s; ${count} acknowledged completions re-read, ${wrong.length} lost or changed; ` +
      `${ends.reduce((sum, end) => sum + end.refused, 0)} steps refused; takeover of a killed process's record ${spread(takeoverMs)}`,
  )
  const operations = [...crew.lives.flatMap(worker => crew.operationsOf(worker)), ...audited]
  // The store reads its clock before it commits: a cooldown is shorter by the time that the commit takes.
  const options = { deadOwnersAtOnce: true, leaseSlackMs: commitWithinMs }
  const violations = [...judgeHistory(crew, operations, options), ...judgeEffects(crew, operations)]
  expect(wrong).toEqual([])
  expect(keys).toBe(count)
  expect(count).toBeGreaterThanOrEqual(100 * kills)
  expect(violations).toEqual([])
  expect(takeoverMs.length).toBeGreaterThanOrEqual(kills)
})
