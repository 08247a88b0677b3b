import { expect, it } from 'vitest'
import { loadMutant } from './mutant-code.ts'
import { mutants } from './mutants.ts'
import { drawPlan } from './plan.ts'
import { type PlayedSeeds, playSeeds, tellStory } from './seeds.ts'

const maxSeeds = 3_000
const firstSeed = 500_000

it.each(mutants)('$invariant: finds an engine or a store that $name', { timeout: 120_000 }, async mutant => {
  const { code, remove } = await loadMutant(mutant)
  try {
    const { invariant, seed } = mutant
    const play = (from: number, count: number): Promise<PlayedSeeds> =>
      playSeeds({ from, count, historyEvery: 0, code, invariant })
    const known = seed === undefined ? undefined : await play(seed, 1)
    const { failure, seeds } = known?.failure === undefined ? await play(firstSeed, maxSeeds) : known
    const [violation] = failure?.violations ?? []
    console.log(`${mutant.name}: seed ${failure?.seed}, after ${seeds}: ${violation?.invariant}: ${violation?.what}`)
    expect(violation?.invariant).toBe(invariant)
  } finally {
    remove()
  }
})

it('shrinks a failing seed to a story that still fails', { timeout: 120_000 }, async () => {
  const mutant = mutants.find(({ name }) => name === 'dispatches without waiting for the mark')
  if (mutant === undefined) throw new Error('the mutant is gone')
  const { code, remove } = await loadMutant(mutant)
  try {
    const { failure } = await playSeeds({ from: firstSeed, count: maxSeeds, historyEvery: 0, code })
    const plan = drawPlan(failure?.seed ?? 0)
    const story = await tellStory(plan, code)
    expect(story).toMatch(/^seed \d+ of commit \S+: I4: /)
    expect(story).toMatch(/\n1 of \d+ actions are enough:\n/)
    expect(story).toMatch(/ dispatches #0 for k\d/)
    expect(story).toMatch(/\nat \d+\.\d{3}: I4: e\d\.\d dispatches k\d before it was marked$/)
  } finally {
    remove()
  }
})
