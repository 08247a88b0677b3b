import { expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { machineMs } from '../support/process-figures.ts'
import type { Member } from '../support/process-member.ts'
import { startStoreProcess, type Token } from './store-process.ts'

const leaseMs = 1_500
const graceMs = 2_000
/** Of the living and of the dead, each. */
const records = 40

interface Held {
  readonly key: string
  readonly token: Token
}
interface Contended {
  readonly acquired: readonly { key: string; attempt: number; atMs: number }[]
  /** Claims that got an answer. */
  readonly asked: number
}
interface Outage {
  readonly stoppedMs: number
  readonly startedMs: number
  readonly readyMs: number
}

/** Stops a server for longer than leases, and kills one of two owners meanwhile; three processes claim all the time. */
export async function stopBeyondLeases(
  server: { stop(): Promise<void>; start(): Promise<void> },
  url: string,
): Promise<void> {
  const start = (): Promise<Member> => startStoreProcess(`${url}?timeout=1s`)
  const [living, dying] = [await start(), await start()]
  const contenders = [await start(), await start(), await start()]
  const keysOf = (who: string): string[] => Array.from({ length: records }, (_, at) => `${who}-${at}`)
  const [livingKeys, deadKeys] = [keysOf('living'), keysOf('dead')]
  const held = await claimAll(living, livingKeys)
  await living.ask('keep', { held, leaseMs, everyMs: 300 })
  await claimAll(dying, deadKeys)
  const keys = [...livingKeys, ...deadKeys]
  for (const [place, contender] of contenders.entries()) {
    await contender.ask('contend', { keys, owner: `contender-${place}`, leaseMs: 600_000, everyMs: 100 })
  }

  const stoppedMs = machineMs()
  await server.stop()
  await dying.kill()
  await eventually(() => machineMs() - stoppedMs).toBeGreaterThan(leaseMs + graceMs + 1_000)
  const startedMs = machineMs()
  await server.start()
  const readyMs = machineMs()
  await eventually(() => machineMs() - readyMs).toBeGreaterThan(leaseMs + graceMs + 2_000)

  const told = await living.ask<string[]>('stopKeeping')
  const contended = await Promise.all(contenders.map(member => member.ask<Contended>('stopKeeping')))
  console.log(`amnesty: ${told.length} renewals of living owners`)
  expectTakenOnce(contended, deadKeys, { stoppedMs, startedMs, readyMs })
  expect([...new Set(told)]).toEqual(['ok'])
}

async function claimAll(member: Member, keys: readonly string[]): Promise<Held[]> {
  const answers = await member.ask<{ kind: string; token: Token }[]>('claimAll', { keys, owner: 'owner', leaseMs })
  expect(answers.map(({ kind }) => kind)).toEqual(keys.map(() => 'acquired'))
  return answers.map(({ token }, at) => ({ key: keys[at] ?? '', token }))
}

/** The dead one's records and no others, once each, and not before a lease and its grace are over. */
function expectTakenOnce(contended: readonly Contended[], keys: readonly string[], outage: Outage): void {
  const { stoppedMs, startedMs, readyMs } = outage
  const acquired = contended.flatMap(one => one.acquired)
  const earliestMs = Math.min(...acquired.map(({ atMs }) => atMs)) - startedMs
  const latestMs = Math.max(...acquired.map(({ atMs }) => atMs)) - readyMs
  const asked = contended.reduce((sum, one) => sum + one.asked, 0)
  console.log(
    `amnesty: away for ${(startedMs - stoppedMs).toFixed(0)} ms; ${asked} claims by 3 processes, ${acquired.length} takeovers, ` +
      `from ${earliestMs.toFixed(0)} ms after the start on, to ${latestMs.toFixed(0)} ms after it was ready`,
  )
  expect(acquired.map(({ key, attempt }) => `${key} ${attempt}`).sort()).toEqual(keys.map(key => `${key} 2`).sort())
  expect(earliestMs).toBeGreaterThanOrEqual(3_500)
}
