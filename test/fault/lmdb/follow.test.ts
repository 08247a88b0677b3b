import { afterAll, expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { machineMs, makeProcessFolder, quantile, spread } from '../../support/process-figures.ts'
import { killAll, type Member, startMember } from '../../support/process-member.ts'

const program = new URL('./programs/follower.mjs', import.meta.url)
const folder = makeProcessFolder()
const crew: Member[] = []

afterAll(async () => {
  await killAll(crew)
  folder.remove()
})

interface Progress {
  readonly pieces: number
  readonly followedAt: readonly { followed: boolean; atMs: number }[]
}
interface Log {
  readonly lengthBytes: number
  readonly hash: string
}
type Sent = Log & { pieces: { endBytes: number; appendedAtMs: number }[] }
type Received = Log & { arrivals: { endBytes: number; atMs: number }[] }

function start(): Member {
  const member = startMember(program, { path: folder.path })
  crew.push(member)
  return member
}

/** Whether the owner was told at its last append that somebody follows. */
async function isFollowed(owner: Member): Promise<boolean | undefined> {
  return (await owner.ask<Progress>('progress')).followedAt.at(-1)?.followed
}

test('a log that another process writes is followed byte by byte', { timeout: 60_000 }, async () => {
  const [owner, follower] = [start(), start()]
  const key = 'followed'
  const { fence } = await owner.ask<{ fence: number }>('claim', { key })
  await follower.ask('follow', { key, fence })
  await owner.ask('start', { key })
  await eventually(async () => (await owner.ask<Progress>('progress')).pieces).toBeGreaterThanOrEqual(200)
  const { pieces, lengthBytes, hash } = await owner.ask<Sent>('end', { key })
  await eventually(async () => (await follower.ask<Received>('received')).lengthBytes).toBe(lengthBytes)
  const received = await follower.ask<Received>('received')
  expect(received.hash).toBe(hash)

  const delays = pieces.map(({ endBytes, appendedAtMs }) => {
    const arrival = received.arrivals.find(other => other.endBytes >= endBytes)
    return (arrival?.atMs ?? Number.NaN) - appendedAtMs
  })
  console.log(
    `following: ${pieces.length} pieces, ${lengthBytes} bytes, from the append's call to the read elsewhere ${spread(delays)}`,
  )
  expect(quantile(delays, 0.5)).toBeLessThanOrEqual(30)
})

test('an owner learns that it is followed from another process, and when it is no more', {
  timeout: 60_000,
}, async () => {
  const [owner, leaving, killed] = [start(), start(), start()]
  const key = 'marked'
  const { fence } = await owner.ask<{ fence: number }>('claim', { key })
  await owner.ask('start', { key })
  expect(await isFollowed(owner)).toBe(false)

  const followedMs: number[] = []
  const forgottenMs: number[] = []
  for (const [follower, holdsMs, end] of [
    [leaving, 0, () => leaving.ask('leave')],
    // Longer than one mark holds: it is set again.
    [killed, 5_000, () => killed.kill()],
  ] as const) {
    await follower.ask('follow', { key, fence })
    const fromMs = machineMs()
    await eventually(() => isFollowed(owner)).toBe(true)
    followedMs.push((await lastChange(owner)) - fromMs)
    await eventually(() => machineMs() - fromMs).toBeGreaterThan(holdsMs)
    expect(await isFollowed(owner)).toBe(true)
    await end()
    const goneMs = machineMs()
    await eventually(() => isFollowed(owner)).toBe(false)
    forgottenMs.push((await lastChange(owner)) - goneMs)
  }
  await owner.ask('end', { key })
  console.log(`followed: seen ${spread(followedMs)} after it began; no more ${spread(forgottenMs)} after it ended`)
  expect(Math.max(...forgottenMs)).toBeLessThan(6_000)
})

async function lastChange(owner: Member): Promise<number> {
  return (await owner.ask<Progress>('progress')).followedAt.at(-1)?.atMs ?? Number.NaN
}
