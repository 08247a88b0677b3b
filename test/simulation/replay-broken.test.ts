import { expect, it } from 'vitest'
import { loadMutant } from './mutant-code.ts'
import { mutants } from './mutants.ts'
import { replaySeeds } from './replay-seeds.ts'
import { memoryStage } from './replay-stage.ts'
import { tellDifference } from './replay-story.ts'

const maxSeeds = 200

/** Beside the store's faults that the simulation finds by itself: such that only a comparison can see. */
const broken = [
  ...mutants.filter(({ file }) => file.startsWith('stores/')),
  {
    name: 'gives a fence that does not rise',
    file: 'stores/row/claim.ts',
    find: 'fence: Math.max(row.fence + 1, freshFence),',
    replace: 'fence: row.fence,',
  },
  {
    name: 'lets records live a millisecond longer',
    file: 'stores/row/write.ts',
    find: "expiresAtMs: now.wallMs + row.retentionMs,\n  }\n  return { answer: 'ok'",
    replace: "expiresAtMs: now.wallMs + row.retentionMs + 1,\n  }\n  return { answer: 'ok'",
  },
]

it.each(broken)('finds a store that $name', { timeout: 120_000 }, async mutant => {
  const { code, remove } = await loadMutant({ invariant: 'none', ...mutant })
  try {
    const stage = memoryStage(code.memoryStore)
    const seeds = Array.from({ length: maxSeeds }, (_, at) => at + 1)
    const { found, seeds: played } = await replaySeeds({ stage, seeds, way: 'alone' })
    console.log(`${mutant.name}: after ${played} seeds: ${found?.what.slice(0, 200)}`)
    expect(found).toBeDefined()
  } finally {
    remove()
  }
})

it('tells the shortest plan that differs, and the first step', { timeout: 120_000 }, async () => {
  const mutant = broken.find(({ name }) => name === 'lets records live a millisecond longer')
  if (mutant === undefined) throw new Error('the mutant is gone')
  const { code, remove } = await loadMutant({ invariant: 'none', ...mutant })
  try {
    const stage = memoryStage(code.memoryStore)
    const { found } = await replaySeeds({ stage, seeds: [1, 2, 3, 4, 5], way: 'alone' })
    if (found === undefined) throw new Error('no difference')
    const story = await tellDifference(found, stage)
    console.log(story)
    expect(story).toMatch(/^seed \d+ replayed to memory: step \d+ of \d+, get k\d: the store answers \d+/)
    expect(story).toMatch(/\nreplay it with npm run simulate -- --replay memory --seed \d+\n/)
    expect(story).toMatch(/\n[01] of \d+ actions are enough/)
    expect(story).toMatch(/ as expiresAtMs, and should \d+/)
    expect(story).toMatch(/\n +\d+ +\d+\.\d{3} {2}complete \["k\d",.*→ "ok"\n/)
  } finally {
    remove()
  }
})
