import { expect, it } from 'vitest'
import type { Coverage } from './coverage.ts'
import { coveringSeeds, expectedReplayCoverage } from './replay-coverage.ts'
import { type ReplayRange, replaySeeds } from './replay-seeds.ts'
import type { ReplayStage } from './replay-stage.ts'
import { tellDifference } from './replay-story.ts'

export interface ReplayTest {
  /** Comes into the name of the test. */
  readonly to: string
  readonly way: ReplayRange['way']
  open(): Promise<ReplayStage>
  /** How many seeds, where the environment asks for no other number. */
  readonly seeds: number
}

const progressSeeds = 500

/**
 * Replays seeds to a store: alone, some that show every kind of step and answer and then as many more as it takes; or
 * SIMULATION_SEEDS many from SIMULATION_FROM on, or just SEED.
 */
export function testReplay({ to, way, open, seeds: count }: ReplayTest): void {
  const { SEED, SIMULATION_SEEDS, SIMULATION_FROM } = process.env
  const name = way === 'alone' ? `one seed after the other, to ${to}` : `many seeds at once, to ${to}`
  if (SEED !== undefined && way === 'crowd') return it.skip(`${name}: SEED is replayed alone`, () => {})
  const from = Number(SIMULATION_FROM ?? 1)
  const isAsked = SEED !== undefined || SIMULATION_SEEDS !== undefined
  const range = Array.from({ length: Number(SIMULATION_SEEDS ?? count) }, (_, at) => from + at)
  const seeds = SEED !== undefined ? [Number(SEED)] : isAsked ? range : way === 'alone' ? withCovering(range) : range
  it(name, { timeout: 120_000 + 2_000 * seeds.length }, async () => {
    const stage = await open()
    try {
      const startedMs = performance.now()
      const replayed = await replaySeeds({ stage, seeds, way, progress: done => tell(done, seeds.length, startedMs) })
      const { coverage, steps, found } = replayed
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
      console.log(`${replayed.seeds} seeds replayed to ${to}, ${steps} steps, ${seconds} s`)
      if (isAsked) console.log(`${coverage.table()}\nshowed something first: ${replayed.firsts.join(', ')}`)
      if (found !== undefined) throw new Error(await tellDifference(found, stage))
      expect(steps).toBeGreaterThanOrEqual(50 * seeds.length)
      if (!isAsked && way === 'alone') expectAll(coverage)
    } finally {
      await stage.close()
    }
  })
}

function withCovering(range: readonly number[]): number[] {
  return [...new Set([...coveringSeeds, ...range])].slice(0, Math.max(range.length, coveringSeeds.length))
}

/** When the simulation draws its plans anew, other seeds will have to show all this: see `coveringSeeds`. */
function expectAll(coverage: Coverage): void {
  expect(expectedReplayCoverage.filter(name => coverage.of(name) === 0)).toEqual([])
}

function tell(done: number, count: number, startedMs: number): void {
  if (done % progressSeeds !== 0 || done === count) return
  const leftMinutes = ((performance.now() - startedMs) / done) * ((count - done) / 60_000)
  console.log(`${done} of ${count} seeds, ${leftMinutes.toFixed(0)} min left`)
}
