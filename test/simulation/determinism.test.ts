import { expect, it } from 'vitest'
import { drawPlan } from './plan.ts'
import { simulate } from './simulation.ts'

it('comes to the same end with the same seed: 300 seeds twice', async () => {
  const seeds = Array.from({ length: 300 }, (_, at) => 1_000_000 + at)
  const first: number[] = []
  for (const seed of seeds) first.push((await simulate(drawPlan(seed))).traceHash)
  const second: number[] = []
  for (const seed of [...seeds].reverse()) second.unshift((await simulate(drawPlan(seed))).traceHash)
  expect(second).toEqual(first)
  expect(new Set(first).size).toBe(seeds.length)
})

it('tells in words nothing else than the silent run', async () => {
  const spoken = await simulate(drawPlan(7), { spoken: true })
  const silent = await simulate(drawPlan(7))
  expect(spoken.traceHash).toBe(silent.traceHash)
  expect(spoken.lines.length).toBeGreaterThan(50)
  expect(silent.lines).toEqual([])
})
