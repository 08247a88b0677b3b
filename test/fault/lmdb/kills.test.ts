import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { seededRandom } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { checkEffects } from '../../history/check-effects.ts'
import { checkHistory } from '../../history/check-history.ts'
import { readHistoryFile } from '../../history/history-file.ts'
import { readLedgers } from '../../history/ledger.ts'
import type { Operation } from '../../history/operation.ts'
import { machineMs, makeProcessFolder, spread } from '../../support/process-figures.ts'
import { killAll, type Member, startMember } from '../../support/process-member.ts'
import { heldBy, type Worker, WorkerCrew } from './worker-crew.ts'

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
const crew = new WorkerCrew(folder.path, {
  callers: 24,
  keysPerSecond: 600,
  keysAtOnce: 300,
  frees: process.env.FREES === '1',
})
const auditors: Member[] = []

afterAll(async () => {
  await killAll([...crew.lives.map(({ member }) => member), ...auditors])
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

interface Audit {
  readonly count: number
  readonly keys: number
  readonly wrong: readonly unknown[]
}

/** A fresh process claims every acknowledged key again. */
async function audit(): Promise<Audit & { operations: Operation[] }> {
  const history = join(folder.path, 'history-auditor.jsonl')
  const program = new URL('./programs/auditor.mjs', import.meta.url)
  const auditor = startMember(program, { path: join(folder.path, 'store'), history })
  auditors.push(auditor)
  const files = crew.lives.map(({ acknowledgements }) => acknowledgements).filter(file => existsSync(file))
  const answer = await auditor.ask<Audit>('audit', { files })
  return { ...answer, operations: readHistoryFile(history, auditor.name) }
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
  const { count, keys, wrong, operations: audited } = await audit()
  console.log(
    `kills: ${kills} (every ${allEvery}th of all ${workers} processes at once, ${crew.deaths.length} processes in all), ` +
      `seed ${seed}, ${(loadMs / 1_000).toFixed(1)} s; ${count} acknowledged completions re-read, ${wrong.length} lost or changed; ` +
      `${ends.reduce((sum, end) => sum + end.refused, 0)} steps refused; takeover of a killed process's record ${spread(takeoverMs)}`,
  )
  const operations = [...crew.lives.flatMap(worker => crew.operationsOf(worker)), ...audited]
  const violations = [...check(operations), ...checkLedgers(operations)]
  expect(wrong).toEqual([])
  expect(keys).toBe(count)
  expect(count).toBeGreaterThanOrEqual(100 * kills)
  expect(violations).toEqual([])
  expect(takeoverMs.length).toBeGreaterThanOrEqual(kills)
})

/** Every key's history must have an explanation. */
function check(operations: readonly Operation[]): string[] {
  const fromMs = machineMs()
  const history = { operations, deaths: crew.deaths }
  // The store reads its clock before it commits: a cooldown is shorter by the time that the commit takes.
  const violations = checkHistory({ ...history, options: { deadOwnersAtOnce: true, leaseSlackMs: commitWithinMs } })
  const unanswered = operations.filter(({ result }) => result === undefined).length
  const takeovers = operations.filter(({ result }) => result?.kind === 'acquired' && result.attempt > 1).length
  console.log(
    `history: ${operations.length} operations (${unanswered} unanswered, ${takeovers} takeovers and later attempts) ` +
      `of ${new Set(operations.map(({ key }) => key)).size} keys, ${violations.length} violations, ` +
      `checked in ${((machineMs() - fromMs) / 1_000).toFixed(1)} s`,
  )
  return violations.map(({ text }) => text)
}

/** Every effect that began, by its fsynced ledger: no more of them than the key's policy allows. */
function checkLedgers(operations: readonly Operation[]): string[] {
  const entries = readLedgers(crew.lives.map(({ ledger }) => ledger).filter(file => existsSync(file)))
  const terms = new Map(
    operations.flatMap(({ key, call }) =>
      call.step === 'claim' ? [[key, { onCrash: call.onCrash, maxAttempts: call.maxAttempts }]] : [],
    ),
  )
  const violations = checkEffects(entries, terms, operations)
  const dispatched = entries.filter(({ phase }) => phase === 'dispatched').length
  console.log(`effects: ${dispatched} dispatched of ${terms.size} keys, ${violations.length} violations`)
  return violations.map(({ text }) => text)
}
