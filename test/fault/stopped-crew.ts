import { expect } from 'vitest'
import { graceMs } from '../../packages/retrysafe/src/engine/store.ts'
import { checkHistory } from '../history/check-history.ts'
import { eventually } from '../support/eventually.ts'
import { machineMs, makeProcessFolder } from '../support/process-figures.ts'
import { killAll } from '../support/process-member.ts'
import { heldBy, WorkerCrew } from './worker-crew.ts'

interface Taken {
  readonly process: string
  readonly key: string
  readonly fence: number
  readonly resumedAtMs: number
}

const leaseMs = 500

/**
 * Four times under load, and again while it holds too little, or asks for too little of it later: stops a process (SIGSTOP) for longer than its leases, takes what it held, and lets it go on.
 * Whatever it then asks for is lost to it.
 */
export async function takeFromStopped(url: string): Promise<void> {
  const folder = makeProcessFolder()
  const load = { callers: 8, keysPerSecond: 2_000, keysAtOnce: 300, frees: true, leaseMs, insists: true }
  const crew = new WorkerCrew(folder.path, url, load)
  const taken: Taken[] = []
  try {
    for (let count = 0; count < 3; count++) crew.start()
    const [by, ...victims] = crew.alive
    if (by === undefined) throw new Error('nobody is there')
    for (let round = 0; round < 16; round++) {
      await crew.reach(crew.acknowledged + 100, 30_000)
      if (round >= 4 && taken.length >= 16 && lostOf(lateWrites(crew, taken)) >= 3) break
      const victim = victims[round % victims.length] ?? by
      victim.member.stop()
      const stoppedMs = machineMs()
      await eventually(() => machineMs() - stoppedMs).toBeGreaterThan(leaseMs + graceMs)
      const own: Omit<Taken, 'resumedAtMs'>[] = []
      for (const { key, fence } of heldBy(crew.operationsOf(victim))) {
        const owner = `taker of ${key} ${fence}`
        const { kind } = await by.member.ask<{ kind: string }>('seize', { key, owner })
        if (kind === 'acquired') own.push({ process: victim.member.name, key, fence })
      }
      victim.member.resume()
      const resumedAtMs = machineMs()
      taken.push(...own.map(one => ({ ...one, resumedAtMs })))
    }
    await crew.reach(crew.acknowledged + 100, 30_000)
    await Promise.all(crew.alive.map(({ member }) => member.ask('finish')))
    expectLost(crew, taken)
  } finally {
    await killAll(crew.lives.map(({ member }) => member))
    folder.remove()
  }
}

interface LateWrite {
  readonly kind: string | undefined
  /** Asked for after the process went on. */
  readonly isNew: boolean
}

/** What processes asked for of records that were taken from them, and were answered once they went on. */
function lateWrites(crew: WorkerCrew, taken: readonly Taken[]): readonly LateWrite[] {
  const resumedAtMs = new Map(taken.map(one => [`${one.process} ${one.key} ${one.fence}`, one.resumedAtMs]))
  const operations = crew.lives.flatMap(worker => crew.operationsOf(worker))
  return operations.flatMap(({ process, key, call, invokedAtMs, returnedAtMs = 0, result }) => {
    const atMs = 'fence' in call ? resumedAtMs.get(`${process} ${key} ${call.fence}`) : undefined
    // Asked before the stop it may have been made before it, too; the history tells.
    return atMs !== undefined && returnedAtMs > atMs ? [{ kind: result?.kind, isNew: invokedAtMs > atMs }] : []
  })
}

function lostOf(late: readonly LateWrite[]): number {
  return late.filter(({ kind }) => kind === 'lost').length
}

function expectLost(crew: WorkerCrew, taken: readonly Taken[]): void {
  const operations = crew.lives.flatMap(worker => crew.operationsOf(worker))
  const late = lateWrites(crew, taken)
  const lost = lostOf(late)
  console.log(
    `zombies: ${taken.length} records taken over, ${late.length} writes answered later, ${lost} of them lost; ` +
      `${operations.length} operations, ${crew.acknowledged} acknowledged`,
  )
  const violations = checkHistory({ operations, options: { leaseSlackMs: 1_000 } }).map(({ text }) => text)
  expect(taken.length).toBeGreaterThanOrEqual(4)
  expect(lost).toBeGreaterThanOrEqual(3)
  expect(late.filter(({ kind, isNew }) => isNew && kind !== 'lost')).toEqual([])
  expect(violations).toEqual([])
}
