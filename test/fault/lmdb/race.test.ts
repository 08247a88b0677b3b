import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineMs, makeProcessFolder, spread } from '../../support/process-figures.ts'
import { killAll, type Member, startMember } from '../../support/process-member.ts'

const racer = new URL('./programs/racer.mjs', import.meta.url)
const racers = 8
/** From "all are ready" to the start: longer than the message takes, so that all wait for it. */
const startInMs = 5

interface Claimed {
  readonly invokedAtMs: number
  readonly returnedAtMs: number
  readonly answer:
    | { kind: 'acquired'; token: { fence: number; owner: string }; attempt: number }
    | { kind: 'running'; fence: number }
    | { kind: 'completed'; fence: number; hash: string }
}

const folder = makeProcessFolder()
const crew: Member[] = []

beforeAll(async () => {
  for (let place = 0; place < racers; place++) crew.push(startMember(racer, { path: folder.path }))
  await Promise.all(crew.map(member => member.ask('ready')))
})

afterAll(async () => {
  await killAll(crew)
  folder.remove()
})

/** Everybody is ready, then everybody claims the key at one instant, each with an owner of its own. */
async function race(key: string, notBeforeMs = 0): Promise<Claimed[]> {
  await Promise.all(crew.map(member => member.ask('ready')))
  const atMs = Math.max(machineMs() + startInMs, notBeforeMs)
  return claimAll(key, { atMs })
}

function claimAll(key: string, terms: { atMs?: number }): Promise<Claimed[]> {
  return Promise.all(
    crew.map((member, place) =>
      member.ask<Claimed>('claim', { key, owner: `${key}-${place}`, leaseMs: 30_000, ...terms }),
    ),
  )
}

/** How many claims were in flight at once, at the most. */
function inFlight(claims: readonly Claimed[]): number {
  return Math.max(
    ...claims.map(
      ({ invokedAtMs }) =>
        claims.filter(other => other.invokedAtMs <= invokedAtMs && invokedAtMs < other.returnedAtMs).length,
    ),
  )
}

function winnerOf(claims: readonly Claimed[]): {
  place: number
  token: { fence: number; owner: string }
  attempt: number
} {
  const kinds = claims.map(({ answer }) => answer.kind).sort()
  expect(kinds).toEqual(['acquired', 'running', 'running', 'running', 'running', 'running', 'running', 'running'])
  const place = claims.findIndex(({ answer }) => answer.kind === 'acquired')
  const answer = claims[place]?.answer
  if (answer?.kind !== 'acquired') throw new Error('nobody won')
  const fences = claims.map(claim => (claim.answer.kind === 'running' ? claim.answer.fence : answer.token.fence))
  expect(fences).toEqual(Array.from({ length: racers }, () => answer.token.fence))
  return { place, token: answer.token, attempt: answer.attempt }
}

test('8 processes race on 300 keys: one winner each, all others get its outcome', { timeout: 120_000 }, async () => {
  const wins = Array.from({ length: racers }, () => 0)
  const crowds: number[] = []
  const claimMs: number[] = []
  for (let round = 0; round < 300; round++) {
    const key = `race-${round}`
    const claims = await race(key)
    crowds.push(inFlight(claims))
    claimMs.push(...claims.map(({ invokedAtMs, returnedAtMs }) => returnedAtMs - invokedAtMs))
    const { place, token, attempt } = winnerOf(claims)
    expect(token.owner).toBe(`${key}-${place}`)
    expect(attempt).toBe(1)
    wins[place] = (wins[place] ?? 0) + 1
    const text = `outcome ${round} by ${place}: `.repeat(100)
    expect(await crew[place]?.ask('complete', { key, token, text })).toBe('ok')
    const hash = createHash('sha256').update(text).digest('hex')
    const again = await claimAll(key, {})
    expect(again.map(({ answer }) => answer)).toEqual(
      Array.from({ length: racers }, () => ({ kind: 'completed', fence: token.fence, hash })),
    )
  }
  const overlapped = crowds.filter(crowd => crowd >= 2).length
  console.log(
    `race: 300 keys, ${racers} processes; claims in flight at once in ${overlapped} rounds, ` +
      `on average ${(crowds.reduce((sum, crowd) => sum + crowd, 0) / crowds.length).toFixed(1)}; ` +
      `wins by process ${wins.join(' ')}; claim ${spread(claimMs)}`,
  )
  expect(overlapped).toBeGreaterThanOrEqual(150)
  // Everybody has a chance: no process wins because the others are late.
  expect(wins.filter(count => count > 0)).toHaveLength(racers)
})

test('a killed winner: of 8 processes exactly one takes its record over, at once', { timeout: 120_000 }, async () => {
  const keys = Array.from({ length: 60 }, (_, place) => `killed-${place}`)
  const victim = startMember(racer, { path: folder.path })
  crew.push(victim)
  for (const key of keys) {
    const { answer } = await victim.ask<Claimed>('claim', { key, owner: `${key}-victim`, leaseMs: 3_600_000 })
    expect(answer.kind).toBe('acquired')
  }
  await victim.kill()
  crew.pop()
  const crowds: number[] = []
  for (const key of keys) {
    const claims = await race(key)
    crowds.push(inFlight(claims))
    expect(winnerOf(claims).attempt).toBe(2)
  }
  const overlapped = crowds.filter(crowd => crowd >= 2).length
  console.log(`race: ${keys.length} records of a killed process, claims in flight at once in ${overlapped}`)
  expect(overlapped).toBeGreaterThanOrEqual(30)
})

test('a lapsed lease of a process that lives: exactly one takes over, and not before', {
  timeout: 120_000,
}, async () => {
  const keys = Array.from({ length: 60 }, (_, place) => `lapsed-${place}`)
  const sleeper = startMember(racer, { path: folder.path })
  crew.push(sleeper)
  const asks = keys.map(key => sleeper.ask<Claimed>('claim', { key, owner: `${key}-sleeper`, leaseMs: 1_000 }))
  const granted = await Promise.all(asks)
  crew.pop()
  const crowds: number[] = []
  try {
    const early = await claimAll('lapsed-59', {})
    expect(early.map(({ answer }) => answer.kind)).toEqual(Array.from({ length: racers }, () => 'running'))
    for (const [place, key] of keys.entries()) {
      const { returnedAtMs } = granted[place] ?? { returnedAtMs: Number.NaN }
      // Lease and grace, counted from when its owner was told: then it is over for certain.
      const claims = await race(key, returnedAtMs + 3_000)
      crowds.push(inFlight(claims))
      expect(winnerOf(claims).attempt).toBe(2)
    }
    const [token] = granted.map(({ answer }) => (answer.kind === 'acquired' ? answer.token : undefined))
    expect(await sleeper.ask('complete', { key: 'lapsed-0', token, text: 'late' })).toBe('lost')
  } finally {
    await sleeper.kill()
  }
  console.log(
    `race: ${keys.length} lapsed records, claims in flight at once in ${crowds.filter(crowd => crowd >= 2).length}`,
  )
})
