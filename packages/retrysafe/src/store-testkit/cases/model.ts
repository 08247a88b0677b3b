import assert from 'node:assert/strict'
import type { KitCase } from '../case.ts'
import type { KitHarness } from '../harness.ts'
import { play } from '../play.ts'
import { shrink } from '../shrink.ts'
import { createWalk, type WalkStep } from '../walk-step.ts'

interface Manner {
  readonly name: string
  readonly twice: boolean
  readonly echoes: boolean
}

const manners: readonly Manner[] = [
  {
    name: 'I1 to I9 any steps in any order: the store answers and shows what the model does',
    twice: false,
    echoes: false,
  },
  { name: 'I7 any steps in any order, earlier ones again among them: the same', twice: false, echoes: true },
  { name: 'I7 any steps in any order, each sent twice: the same', twice: true, echoes: true },
]

async function walkAll(harness: KitHarness, { twice, echoes }: Manner): Promise<void> {
  const byHand = isByHand(harness)
  const { count = byHand ? 100 : 4, steps = 60, seed: firstSeed = 1 } = harness.walks ?? {}
  const seeds = Array.from({ length: count }, (_, at) => firstSeed + at)
  const walkOne = (seed: number): Promise<void> => walkSeed(harness, createWalk(seed, steps, echoes), twice, seed)
  // Where the time that passes is real, the walks share it.
  if (byHand) for (const seed of seeds) await walkOne(seed)
  else await Promise.all(seeds.map(walkOne))
}

async function walkSeed(harness: KitHarness, walk: readonly WalkStep[], twice: boolean, seed: number): Promise<void> {
  const failure = await play(harness, walk, twice)
  if (failure === undefined) return
  const fails = async (part: readonly WalkStep[]): Promise<boolean> => (await play(harness, part, twice)) !== undefined
  const short = await shrink(walk, fails, isByHand(harness) ? 1_000 : 20)
  const lines = short.map(step => `  ${JSON.stringify(step)}`).join('\n')
  assert.fail(
    `seed ${seed}: ${failure}\nshrunk to ${short.length} steps:\n${lines}\n${await play(harness, short, twice)}\n` +
      `replay with walks: { seed: ${seed}, count: 1, steps: ${walk.length} }`,
  )
}

function isByHand(harness: KitHarness): boolean {
  return harness.maxPassMs === Number.POSITIVE_INFINITY
}

export const modelCases: readonly KitCase[] = manners.map(manner => ({
  name: manner.name,
  keepsTime: true,
  run: t => walkAll(t.harness, manner),
}))
