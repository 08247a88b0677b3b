import { Coverage } from './coverage.ts'
import { drawPlan } from './plan.ts'
import { type RecordedFor, type Recording, recordSteps } from './recorded-steps.ts'
import { type ReplayDifference, replay } from './replay.ts'
import { countSteps } from './replay-coverage.ts'
import type { ReplayStage } from './replay-stage.ts'

/** So many seeds go to one store at once. */
const crowdSeeds = 250
/** Long enough that many of a crowd act in the same tick, much shorter than any lease. */
const crowdTickMs = 100

export interface ReplayRange {
  readonly stage: ReplayStage
  readonly seeds: readonly number[]
  /** One seed after the other, each to a store of its own, or many to the same. */
  readonly way: 'alone' | 'crowd'
  /** Called after every store with the number of seeds so far. */
  readonly progress?: (seeds: number) => void
}

export interface ReplayedSeeds {
  readonly coverage: Coverage
  readonly seeds: number
  readonly steps: number
  /** Seeds with a kind of step or answer that none before them had. */
  readonly firsts: readonly number[]
  /** The first difference, if there is one. */
  readonly found: ReplayDifference | undefined
}

/** Records and replays seed after seed until one differs. */
export async function replaySeeds({ stage, seeds, way, progress }: ReplayRange): Promise<ReplayedSeeds> {
  const coverage = new Coverage()
  const portion = way === 'alone' ? 1 : crowdSeeds
  const target: RecordedFor = way === 'alone' ? stage.clocks : { kind: 'crowd', tickMs: crowdTickMs }
  const firsts: number[] = []
  let played = 0
  let steps = 0
  let found: ReplayDifference | undefined
  while (played < seeds.length && found === undefined) {
    const recordings: Recording[] = []
    for (const seed of seeds.slice(played, played + portion)) recordings.push(await recordSteps(drawPlan(seed), target))
    found = await replay(recordings, await stage.open())
    for (const recording of recordings) {
      const { size } = coverage.counts
      countSteps(recording.steps, coverage)
      if (coverage.counts.size > size) firsts.push(recording.plan.seed)
      steps += recording.steps.length
    }
    played += recordings.length
    progress?.(played)
  }
  return { coverage, seeds: played, steps, firsts, found }
}
