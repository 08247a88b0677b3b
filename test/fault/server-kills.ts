import { expect, onTestFinished } from 'vitest'
import { seededRandom } from '../../packages/retrysafe/test/support/manual-time.ts'
import type { Operation } from '../history/operation.ts'
import { machineMs, makeProcessFolder, spread } from '../support/process-figures.ts'
import { killAll } from '../support/process-member.ts'
import { type Audit, audit, judgeEffects, judgeHistory } from './crew-verdict.ts'
import { type Load, WorkerCrew } from './worker-crew.ts'

/** `KILLS=200`: as many kills of the server; `SEED`: the same moments (counted in completions). */
export const kills = Number(process.env.KILLS ?? 20)
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const workers = 4
const leaseMs = 700
const graceMs = 2_000
const load: Load = { callers: 12, keysPerSecond: 300, keysAtOnce: 1_500, frees: true, leaseMs, insists: true }

export interface KillTerms {
  readonly server: { readonly settings: object; kill(): Promise<void>; start(): Promise<void> }
  /** Of the store on it. */
  readonly url: string
  readonly kills: number
  /** Completions from one start of the server to its next kill; 250 a life are the least that is asked for. */
  readonly completions: readonly [fewest: number, most: number]
  /** Every so often the server lives so long that what nobody finished can be taken over. */
  readonly longLifeEvery: number
}

/** From a kill until something was completed again, on the machine's clock. */
export interface Outage {
  readonly fromMs: number
  readonly toMs: number
}

export interface KillRun {
  readonly crew: WorkerCrew
  readonly kills: number
  readonly outages: readonly Outage[]
  /** All that the crew asked for. */
  readonly asked: readonly Operation[]
  readonly audited: Audit
}

/** Kills a server again and again under load; then a fresh process reads all that was acknowledged. */
export async function killUnderLoad({ kills: count, ...terms }: KillTerms): Promise<KillRun> {
  const folder = makeProcessFolder()
  const crew = new WorkerCrew(folder.path, terms.url, load)
  onTestFinished(async () => {
    await killAll(crew.lives.map(({ member }) => member))
    folder.remove()
  })
  const random = seededRandom(seed)
  const startMs = machineMs()
  for (let place = 0; place < workers; place++) crew.start()
  const outages: Outage[] = []
  for (let number = 1; number <= count; number++) outages.push(await killOnce(crew, terms, number, random.unit()))
  const ends = await Promise.all(crew.alive.map(({ member }) => member.ask<{ refused: number }>('finish')))
  await killAll(crew.alive.map(({ member }) => member))
  const loadMs = machineMs() - startMs
  const audited = await audit(crew)
  console.log(
    `kills: ${count} of a server with ${JSON.stringify(terms.server.settings)}, ${workers} processes, seed ${seed}, ` +
      `${(loadMs / 1_000).toFixed(1)} s; ${audited.count} acknowledged completions re-read, ` +
      `${audited.wrong.length} lost or changed; ${ends.reduce((sum, { refused }) => sum + refused, 0)} steps refused; ` +
      `from a kill to the next completion ${spread(outages.map(({ fromMs, toMs }) => toMs - fromMs))}`,
  )
  const asked = crew.lives.flatMap(worker => crew.operationsOf(worker))
  return { crew, kills: count, outages, asked, audited }
}

/** Kills the server after some completions more, and starts it again. `share`: of the completions that it may have more. */
async function killOnce(
  crew: WorkerCrew,
  { server, completions: [fewest, most], longLifeEvery }: Omit<KillTerms, 'kills'>,
  number: number,
  share: number,
): Promise<Outage> {
  const startedMs = machineMs()
  await crew.reach(crew.acknowledged + fewest + Math.floor(share * (most - fewest)), 30_000)
  while (number % longLifeEvery === 0 && machineMs() - startedMs < leaseMs + graceMs + 1_000) {
    await crew.reach(crew.acknowledged + 1, 30_000)
  }
  const fromMs = machineMs()
  await server.kill()
  await server.start()
  await crew.reach(crew.acknowledged + 1, 30_000)
  return { fromMs, toMs: machineMs() }
}

/** What was acknowledged is there once and unchanged; all that anybody was told, and each effect, has an explanation. */
export function expectNothingLost({ crew, kills: count, asked, audited }: KillRun, leaseSlackMs: number): void {
  const operations = [...asked, ...audited.operations]
  const options = { lateTakeover: true, leaseSlackMs }
  const violations = [...judgeHistory(crew, operations, options), ...judgeEffects(crew, operations)]
  expect(audited.wrong).toEqual([])
  expect(audited.keys).toBe(audited.count)
  expect(audited.count).toBeGreaterThanOrEqual(250 * count)
  expect(violations).toEqual([])
}
