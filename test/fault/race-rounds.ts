import { hash } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { spread } from '../support/process-figures.ts'
import { RaceCrew, winnerOf } from './race-crew.ts'

/** The tests of a crew on a store of its own that lives on a server. */
export function testRaces(url: string, keys: number, leaseSlackMs: number): void {
  const crew = new RaceCrew(url)
  afterAll(() => crew.killAll())

  test(`race on ${keys} keys: one winner each, all others get its outcome`, { timeout: 120_000 }, async () => {
    await crew.start()
    await raceForFreshKeys(crew, keys)
  })

  test('race for 60 records whose lease lapsed: exactly one takes over, and not before', {
    timeout: 60_000,
  }, async () => {
    await raceForLapsedKeys(crew, 60)
    expect(crew.operations).toHaveLength(keys * 17 + 60 * 10 + 8)
    expect(crew.violations({ leaseSlackMs })).toEqual([])
  })
}

/** Fresh keys, one after the other: one winner each, and all others get its outcome. */
export async function raceForFreshKeys(crew: RaceCrew, keys: number): Promise<void> {
  const wins = Array.from({ length: crew.size }, () => 0)
  const claimMs: number[] = []
  for (let round = 0; round < keys; round++) {
    const key = `race-${round}`
    const claims = await crew.race(key)
    claimMs.push(...claims.map(({ invokedAtMs, returnedAtMs }) => returnedAtMs - invokedAtMs))
    const { place, token, attempt } = winnerOf(claims)
    expect(token.owner).toBe(`${key}-${place}`)
    expect(attempt).toBe(1)
    wins[place] = (wins[place] ?? 0) + 1
    const text = `outcome ${round} by ${place}: `.repeat(100)
    const value = hash('sha256', text, 'base64url')
    expect(await crew.complete(place, key, token, text, value)).toBe('ok')
    const again = await crew.claimAll(key)
    expect(again.map(({ answer }) => answer)).toEqual(
      Array.from(again, () => ({ kind: 'completed', fence: token.fence, hash: value })),
    )
  }
  const overlapped = countOverlapped(crew)
  console.log(
    `race: ${keys} keys, ${crew.size} processes; claims in flight at once in ${overlapped} rounds, ` +
      `on average ${(crew.crowds.reduce((sum, crowd) => sum + crowd, 0) / crew.crowds.length).toFixed(1)}; ` +
      `wins by process ${wins.join(' ')}; claim ${spread(claimMs)}`,
  )
  expect(overlapped).toBeGreaterThanOrEqual(keys / 2)
  // Everybody has a chance: no process wins because the others are late.
  expect(wins.filter(count => count > 0)).toHaveLength(crew.size)
}

/** Leases of a process that lives and does nothing: exactly one takes each over, and not before its time. */
export async function raceForLapsedKeys(crew: RaceCrew, count: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, place) => `lapsed-${place}`)
  const sleeper = crew.startOther()
  const granted = await Promise.all(keys.map(key => crew.claim(sleeper, key, `${key}-sleeper`, 1_000)))
  const early = await crew.claimAll(`lapsed-${count - 1}`)
  expect(early.map(({ answer }) => answer.kind)).toEqual(Array.from(early, () => 'running'))
  crew.crowds.length = 0
  for (const [place, key] of keys.entries()) {
    const { returnedAtMs } = granted[place] ?? { returnedAtMs: Number.NaN }
    // Lease and grace, counted from when its owner was told: then it is over for certain.
    expect(winnerOf(await crew.race(key, returnedAtMs + 3_000)).attempt).toBe(2)
  }
  for (const { answer } of granted) {
    if (answer.kind !== 'acquired') throw new Error('a fresh key was not acquired')
    const key = answer.token.owner.replace('-sleeper', '')
    expect(await crew.complete(sleeper, key, answer.token, 'late', 'late')).toBe('lost')
  }
  console.log(`race: ${count} lapsed records, claims in flight at once in ${countOverlapped(crew)}`)
  expect(countOverlapped(crew)).toBeGreaterThanOrEqual(count / 2)
}

export function countOverlapped({ crowds }: RaceCrew): number {
  return crowds.filter(crowd => crowd >= 2).length
}
