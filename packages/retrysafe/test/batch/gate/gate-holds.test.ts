import { expect, test } from 'vitest'
import { GateStage } from './gate-stage.ts'

test('Retry-After holds everybody, says how long, and lets those that wait in one by one', async () => {
  const stage = new GateStage()
  const pass = await stage.enter()
  pass.leave({ kind: 'throttled', retryAfterMs: 10_000, trouble: 'the answer was 429' })
  expect(stage.gate.limit).toBe(2)
  expect(stage.gate.heldMs()).toBe(10_000)
  expect(stage.gate.lastTrouble).toBe('the answer was 429')
  expect(stage.shown).toEqual([{ limit: 2, heldMs: 10_000 }])
  await stage.come(2)
  await stage.time.advance(4_000)
  expect(stage.gate.heldMs()).toBe(6_000)
  await stage.time.advance(20_000)
  expect(stage.entered).toEqual([10_250, 10_750])
})

test('a short Retry-After after a long one shortens nothing', async () => {
  const stage = new GateStage()
  const [one, two] = [await stage.enter(), await stage.enter()]
  one.leave({ kind: 'throttled', retryAfterMs: 10_000, trouble: '429' })
  two.leave({ kind: 'throttled', retryAfterMs: 1_000, trouble: '429' })
  expect(stage.gate.heldMs()).toBe(10_000)
})

test('a Retry-After of a day is believed for ten minutes', async () => {
  const stage = new GateStage({ giveUpMs: 86_400_000 })
  const pass = await stage.enter()
  pass.leave({ kind: 'throttled', retryAfterMs: 86_400_000, trouble: '429' })
  expect(stage.gate.heldMs()).toBe(600_000)
})

test('Retry-After holds a fixed limit, too, and halves nothing', async () => {
  const stage = new GateStage({ adaptive: false })
  const pass = await stage.enter()
  pass.leave({ kind: 'throttled', retryAfterMs: 10_000, trouble: '429' })
  expect(stage.gate.limit).toBe(4)
  expect(stage.gate.heldMs()).toBe(10_000)
})

test('what was under way together is halved for once', async () => {
  const stage = new GateStage({ concurrency: 16 })
  const passes = []
  for (let call = 0; call < 16; call++) passes.push(await stage.enter())
  for (const pass of passes) pass.leave({ kind: 'throttled', retryAfterMs: undefined, trouble: '429' })
  expect(stage.gate.limit).toBe(8)
  expect(stage.gate.heldMs()).toBe(0)
})

test('who says how long to wait is taken at his word, at the tenth refusal, too; nothing is no word', async () => {
  for (const [retryAfterMs, heldMs] of [
    [1_000, 1_000],
    [0, 22_500],
  ] as const) {
    const stage = new GateStage()
    for (let call = 0; call < 10; call++) {
      await stage.time.advance(stage.gate.heldMs() + 1_000)
      const pass = await stage.enter()
      pass.leave({ kind: 'throttled', retryAfterMs, trouble: '429' })
    }
    expect(stage.gate.heldMs()).toBe(heldMs)
  }
})

test('refusals one after the other, without an answer between them, are waited for longer and longer', async () => {
  const stage = new GateStage({ concurrency: 16 })
  const held: number[] = []
  for (let call = 0; call < 11; call++) {
    await stage.time.advance(stage.gate.heldMs() + 1_000)
    const pass = await stage.enter()
    pass.leave({ kind: 'throttled', retryAfterMs: undefined, trouble: '429' })
    held.push(stage.gate.heldMs())
  }
  expect(held).toEqual([0, 375, 750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500, 22_500, 22_500])
  expect(stage.gate.limit).toBe(1)
  await stage.time.advance(60_000)
  const answered = await stage.enter()
  answered.leave({ kind: 'answered' })
  const pass = await stage.enter()
  pass.leave({ kind: 'throttled', retryAfterMs: undefined, trouble: '429' })
  expect(stage.gate.heldMs()).toBe(0)
})

test('a limit that is not made use of says nothing of whether it is right, and does not grow', async () => {
  const stage = new GateStage({ concurrency: 16 })
  const refused = await stage.enter()
  refused.leave({ kind: 'throttled', retryAfterMs: undefined, trouble: '429' })
  for (let call = 0; call < 100; call++) {
    const pass = await stage.enter()
    pass.leave({ kind: 'answered' })
  }
  expect(stage.gate.limit).toBe(8)
})
