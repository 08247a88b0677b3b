import { afterEach, expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { machineMs, makeProcessFolder, quantile } from '../../support/process-figures.ts'
import { killAll, type Member, startMember } from '../../support/process-member.ts'

const program = new URL('./programs/loader.mjs', import.meta.url)
const trials = 20
/** Long enough that who waits for LMDB's lock is seen to wait. */
const atLeastMs = 600
/** Who has completed nothing for so long is held up. */
const heldUpMs = 2_000
const crew: Member[] = []
const folders: { remove(): void }[] = []

afterEach(async () => {
  await killAll(crew)
  crew.length = 0
  for (const folder of folders.splice(0)) folder.remove()
})

/** When each of the other processes completed calls while one was stopped. */
class Watch {
  readonly fromMs: number = machineMs()
  refused = 0
  readonly #others: readonly Member[]
  readonly #completedAtMs: number[][]

  constructor(others: readonly Member[]) {
    this.#others = others
    this.#completedAtMs = others.map(() => [this.fromMs])
  }

  /** @returns whether all others have got on, or one is held up: then more time tells nothing more */
  async look(): Promise<boolean> {
    for (const [place, other] of this.#others.entries()) {
      const { completedAtMs, refused } = await other.ask<Completions>('completions')
      this.#completedAtMs[place]?.push(...completedAtMs.filter(atMs => atMs > this.fromMs))
      this.refused += refused
    }
    const hasAllOn = this.#completedAtMs.every(moments => moments.length > 20)
    return (hasAllOn && machineMs() - this.fromMs >= atLeastMs) || this.gapMs() >= heldUpMs
  }

  /** The longest time in which one of them completed nothing. */
  gapMs(): number {
    const nowMs = machineMs()
    return Math.max(...this.#completedAtMs.map(moments => longestGap([...moments, nowMs])))
  }
}

interface Completions {
  readonly completedAtMs: readonly number[]
  readonly refused: number
}

function longestGap(momentsMs: readonly number[]): number {
  return Math.max(...momentsMs.map((atMs, place) => atMs - (momentsMs[place - 1] ?? atMs)))
}

async function startCrew(helps: boolean): Promise<void> {
  const folder = makeProcessFolder()
  folders.push(folder)
  for (let count = 0; count < 4; count++) crew.push(startMember(program, { path: folder.path, callers: 16, helps }))
  await Promise.all(crew.map(member => member.ask('ready')))
  await Promise.all(crew.map(member => member.ask('start')))
  for (const member of crew) await eventually(() => completedBy(member)).toBeGreaterThan(0)
}

async function completedBy(member: Member): Promise<number> {
  return (await member.ask<Completions>('completions')).completedAtMs.length
}

/** Stops one in the middle of its work, watches the others, lets it go on. */
async function tryStop(victim: Member): Promise<Watch> {
  const others = crew.filter(member => member !== victim)
  const atMs = machineMs() + Math.random() * 20
  while (machineMs() < atMs) await Promise.all(others.map(member => member.ask('ready')))
  const watch = new Watch(others)
  victim.stop()
  while (!(await watch.look()));
  // Whoever woke it for a moment has stopped it again.
  await eventually(() => victim.state()).toBe('T')
  victim.resume()
  await completedBy(victim)
  await eventually(() => completedBy(victim)).toBeGreaterThan(0)
  return watch
}

function victimOf(trial: number): Member {
  const victim = crew[trial % crew.length]
  if (victim === undefined) throw new Error('nobody is there')
  return victim
}

test('a process that is stopped under load does not stop the others', { timeout: 180_000 }, async () => {
  await startCrew(true)
  const gaps: number[] = []
  let refused = 0
  for (let trial = 0; trial < trials; trial++) {
    const watch = await tryStop(victimOf(trial))
    gaps.push(watch.gapMs())
    refused += watch.refused
  }
  console.log(
    `stopped: ${trials} trials; longest gap of any other process: median ${quantile(gaps, 0.5).toFixed(0)} ms, ` +
      `max ${quantile(gaps, 1).toFixed(0)} ms; ${refused} steps refused`,
  )
  expect(Math.max(...gaps)).toBeLessThan(heldUpMs)
})

test('control: nobody wakes the stopped one, and sooner or later it holds all others up', {
  timeout: 180_000,
}, async () => {
  await startCrew(false)
  let trial = 0
  let held = false
  for (; trial < 80 && !held; trial++) held = (await tryStop(victimOf(trial))).gapMs() >= heldUpMs
  console.log(`stopped, control: held up in trial ${trial}`)
  expect(held).toBe(true)
})
