import { expect, it } from 'vitest'
import { expectedCoverage } from './expected-coverage.ts'
import { drawPlan } from './plan.ts'
import { commit, judge, playSeeds, tellStory } from './seeds.ts'

const shards = 2
const defaultSeeds = 20_000
/** Of 20,000 seeds; fewer have to show as much in proportion, and very few nothing. */
const hitsEach = 1_000
const fewSeeds = 4_000
const progressSeeds = 5_000
const historyEvery = 4
/** Histories that may stay undecided; measured: 1 in 1,000. */
const tooHardShare = 0.005

/** One half of the seeds that the environment asks for: SIMULATION_SEEDS many from SIMULATION_FROM on, or just SEED. */
export function testShard(shard: number): void {
  const { SEED, SIMULATION_SEEDS, SIMULATION_FROM } = process.env
  if (SEED !== undefined) {
    if (shard === 0) testSeed(Number(SEED))
    else it.skip('the other half: SEED is played by the first', () => {})
    return
  }
  const all = Number(SIMULATION_SEEDS ?? defaultSeeds)
  const count = Math.ceil(all / shards)
  const from = Number(SIMULATION_FROM ?? 1) + shard * count
  it(`keeps every invariant with ${count} seeds from ${from} on`, { timeout: 60_000 + 300 * count }, async () => {
    const startedMs = performance.now()
    const played = await playSeeds({ from, count, historyEvery, progress: seeds => tell(seeds, count, startedMs) })
    const { failure, coverage, seeds, deliveries, histories, tooHard } = played
    const seconds = (performance.now() - startedMs) / 1_000
    console.log(
      `seeds ${from} to ${from + seeds - 1} of commit ${commit()}, ${(deliveries / seeds).toFixed(0)} deliveries a seed, ` +
        `${histories} histories checked (${tooHard} too hard), ${seconds.toFixed(0)} s\n${coverage.table()}`,
    )
    if (failure !== undefined) throw new Error(await tellStory(drawPlan(failure.seed)))
    expect(tooHard).toBeLessThanOrEqual(histories * tooHardShare)
    if (all < fewSeeds) return
    expect(deliveries / seeds).toBeGreaterThanOrEqual(200)
    const enough = Math.floor((hitsEach * Math.min(all, defaultSeeds)) / defaultSeeds / shards)
    expect(expectedCoverage.filter(name => coverage.of(name) < enough)).toEqual([])
  })
}

function testSeed(seed: number): void {
  it(`keeps every invariant with seed ${seed}`, { timeout: 300_000 }, async () => {
    const plan = drawPlan(seed)
    const { lines, violations } = await judge(plan, { spoken: true, checksHistory: true })
    console.log(lines.join('\n'))
    if (violations.length > 0) throw new Error(await tellStory(plan))
  })
}

/** One line every some thousand seeds, with the time that is left. */
function tell(seeds: number, count: number, startedMs: number): void {
  if (seeds % progressSeeds !== 0 || count <= 2 * progressSeeds) return
  const perSeedMs = (performance.now() - startedMs) / seeds
  const leftMinutes = ((count - seeds) * perSeedMs) / 60_000
  console.log(`${seeds} of ${count} seeds, ${perSeedMs.toFixed(1)} ms each, ${leftMinutes.toFixed(0)} min left`)
}
