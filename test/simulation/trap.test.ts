import { randomBytes, randomFillSync, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { processSurroundings } from '../../packages/retrysafe/src/engine/surroundings.ts'
import { ownCode } from './code.ts'
import { drawPlan } from './plan.ts'
import { simulate } from './simulation.ts'
import { whileTrapped } from './trap.ts'

const planted: readonly (readonly [string, () => unknown])[] = [
  ['Date.now', () => Date.now()],
  ['new Date()', () => new Date()],
  ['Date()', () => Date()],
  ['Math.random', () => Math.random()],
  ['performance.now', () => performance.now()],
  ['process.hrtime', () => process.hrtime()],
  ['setTimeout', () => setTimeout(() => {}, 0)],
  ['setInterval', () => setInterval(() => {}, 1)],
  ['setImmediate', () => setImmediate(() => {})],
  ['timers/promises.setTimeout', () => sleep(1)],
  ['AbortSignal.timeout', () => AbortSignal.timeout(1)],
  ['crypto.randomBytes', () => randomBytes(16)],
  ['crypto.randomFillSync', () => randomFillSync(Buffer.alloc(4))],
  ['crypto.randomUUID', () => randomUUID()],
  ['crypto.getRandomValues', () => crypto.getRandomValues(new Uint8Array(4))],
]

it.each(planted)('catches %s', async (called, call) => {
  const caught = await whileTrapped(async () => {
    try {
      call()
    } catch (error) {
      return String(error)
    }
    return 'nothing was caught'
  })
  expect(caught).toBe(`Error: ${called} inside a simulation: take it from the surroundings`)
})

it('catches an engine that has the clock of the process', async () => {
  const code: typeof ownCode = {
    ...ownCode,
    openEngine: options => ownCode.openEngine({ ...options, surroundings: processSurroundings }),
  }
  await expect(whileTrapped(() => simulate(drawPlan(1), { code }))).rejects.toThrow(/inside a simulation/)
})

it('lets a given time be made into a date, and everything again afterwards', async () => {
  const given = await whileTrapped(async () => new Date(86_400_000).toISOString())
  expect(given).toBe('1970-01-02T00:00:00.000Z')
  expect(Date.now()).toBeGreaterThan(1_704_067_200_000)
  expect(randomBytes(4)).toHaveLength(4)
  await sleep(1)
})
