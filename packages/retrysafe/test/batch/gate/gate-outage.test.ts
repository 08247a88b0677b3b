import { expect, test } from 'vitest'
import { GateStage } from './gate-stage.ts'

const gone = { kind: 'unreachable', trouble: 'ECONNREFUSED' } as const

test('when nobody is there all wait and one at a time tries, more and more rarely', async () => {
  const stage = new GateStage({ concurrency: 16, firstAnswerMs: 600_000 })
  await stage.come(40)
  expect(stage.entered).toHaveLength(16)
  for (const pass of stage.passes.splice(0)) pass.leave(gone)
  const probes: number[] = []
  for (let probe = 0; probe < 10; probe++) {
    await stage.time.advance(stage.gate.heldMs() + 1)
    expect(stage.gate.inFlight).toBe(1)
    probes.push(Number(stage.entered.at(-1)))
    stage.passes.pop()?.leave(gone)
  }
  const pauses = probes.map((atMs, at) => Math.ceil(atMs - (probes[at - 1] ?? 0)))
  // Three quarters of 250 ms, doubling up to 30 s; a millisecond is the test's own.
  expect(pauses).toEqual([188, 376, 751, 1_501, 3_001, 6_001, 12_001, 22_501, 22_501, 22_501])
})

test('the first answer opens the door, gently', async () => {
  const stage = new GateStage()
  const [one, two] = [await stage.enter(), await stage.enter()]
  await stage.come(6)
  one.leave(gone)
  await stage.time.advance(100)
  expect(stage.gate.heldMs()).toBe(87.5)
  two.leave({ kind: 'answered' })
  expect(stage.gate.heldMs()).toBe(0)
  await stage.time.advance(10_000)
  expect(stage.entered).toEqual([0, 0, 113, 138])
})

test('a probe that is silent for a second was taken, it seems: another may try', async () => {
  const stage = new GateStage()
  const pass = await stage.enter()
  pass.leave(gone)
  await stage.come(6)
  await stage.time.advance(10_000)
  expect(stage.entered).toEqual([188, 1_188, 2_188, 3_188])
})

test('a refusal says that somebody is there', async () => {
  const stage = new GateStage()
  const pass = await stage.enter()
  pass.leave(gone)
  await stage.come(1)
  await stage.time.advance(200)
  stage.passes[0]?.leave({ kind: 'throttled', retryAfterMs: 2_000, trouble: '429' })
  expect(stage.gate.heldMs()).toBe(2_000)
  expect(stage.gate.limit).toBe(2)
})

test('a probe that fails otherwise opens nothing', async () => {
  const stage = new GateStage()
  const pass = await stage.enter()
  pass.leave(gone)
  await stage.come(3)
  await stage.time.advance(188)
  stage.passes[0]?.leave({ kind: 'failed', trouble: 'the answer was 502' })
  expect(stage.gate.heldMs()).toBe(375)
  await stage.time.advance(374)
  expect(stage.entered).toEqual([188])
  await stage.time.advance(1)
  expect(stage.entered).toEqual([188, 563])
})
