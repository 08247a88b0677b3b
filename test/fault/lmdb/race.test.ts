import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeProcessFolder } from '../../support/process-figures.ts'
import { RaceCrew, winnerOf } from '../race-crew.ts'
import { countOverlapped, raceForFreshKeys, raceForLapsedKeys } from '../race-rounds.ts'

const folder = makeProcessFolder()
const crew = new RaceCrew(`lmdb:${folder.path}`)

beforeAll(() => crew.start())
afterAll(async () => {
  await crew.killAll()
  folder.remove()
})

test('8 processes race on 300 keys: one winner each, all others get its outcome', { timeout: 120_000 }, async () => {
  await raceForFreshKeys(crew, 300)
  expect(crew.violations({})).toEqual([])
})

test('a killed winner: of 8 processes exactly one takes its record over, at once', { timeout: 120_000 }, async () => {
  const keys = Array.from({ length: 60 }, (_, place) => `killed-${place}`)
  const victim = crew.startOther()
  for (const key of keys) {
    const { answer } = await crew.claim(victim, key, `${key}-victim`, 3_600_000)
    expect(answer.kind).toBe('acquired')
  }
  await victim.kill()
  crew.crowds.length = 0
  for (const key of keys) expect(winnerOf(await crew.race(key)).attempt).toBe(2)
  console.log(`race: ${keys.length} records of a killed process, claims in flight at once in ${countOverlapped(crew)}`)
  expect(countOverlapped(crew)).toBeGreaterThanOrEqual(30)
})

test('a lapsed lease of a process that lives: exactly one takes over, and not before', {
  timeout: 120_000,
}, async () => {
  await raceForLapsedKeys(crew, 60)
})
