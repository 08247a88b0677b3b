import { expect, test } from 'vitest'
import { GateStage } from './gate-stage.ts'
import { SimulatedBatch, serving } from './simulated-server.ts'

test('so many requests a minute, evenly, after a burst of a second', async () => {
  const stage = new GateStage({ concurrency: 100, requestsPerMinute: 120 })
  await stage.come(6)
  await stage.time.advance(10_000)
  expect(stage.entered).toEqual([0, 0, 500, 1_000, 1_500, 2_000])
  expect(stage.time.waitingTimers).toBe(0)
})

test('fewer than one a second: the first at once, the others apart', async () => {
  const stage = new GateStage({ requestsPerMinute: 6 })
  await stage.come(3)
  await stage.time.advance(60_000)
  expect(stage.entered).toEqual([0, 10_000, 20_000])
})

test('tokens are reserved by estimate, and the difference to what was used comes back', async () => {
  const stage = new GateStage({ concurrency: 100, tokensPerMinute: 60_000 })
  const first = await stage.enter(1_000)
  await stage.come(1, 1_000)
  await stage.time.advance(100)
  first.leave({ kind: 'answered', tokens: 400 })
  await stage.time.advance(5_000)
  expect(stage.entered).toEqual([400])
})

test('what was used beyond the estimate is waited for', async () => {
  const stage = new GateStage({ concurrency: 100, tokensPerMinute: 60_000 })
  const first = await stage.enter(1_000)
  await stage.come(1, 1_000)
  first.leave({ kind: 'answered', tokens: 3_000 })
  await stage.time.advance(10_000)
  expect(stage.entered).toEqual([3_000])
})

test('an estimate larger than the bucket passes when it is full, and the next one waits for it', async () => {
  const stage = new GateStage({ concurrency: 100, tokensPerMinute: 60_000 })
  await stage.come(2, 30_000)
  await stage.time.advance(60_000)
  expect(stage.entered).toEqual([0, 30_000])
})

test('what nobody was there to take used no tokens', async () => {
  const stage = new GateStage({ tokensPerMinute: 60_000 })
  const first = await stage.enter(1_000)
  first.leave({ kind: 'unreachable', trouble: 'ECONNREFUSED' })
  await stage.come(1, 1_000)
  await stage.time.advance(10_000)
  expect(stage.entered).toEqual([188])
})

test.each([1, 7, 60, 61, 333, 5_000])(
  'never more than %i and the burst in any minute, whatever comes when',
  async rpm => {
    const batch = new SimulatedBatch(
      serving(random => random.unit() * 3_000),
      { concurrency: 50, requestsPerMinute: rpm },
      rpm,
    )
    await batch.run(400_000)
    batch.stop()
    const { sentMs } = batch
    const most = sentMs.reduce((most, fromMs, first) => {
      let last = Math.min(sentMs.length, first + rpm * 2)
      while ((sentMs[last - 1] ?? 0) > fromMs + 60_000) last--
      return Math.max(most, last - first)
    }, 0)
    const allowed = rpm + Math.max(1, rpm / 60)
    expect(most).toBeLessThanOrEqual(allowed)
    const reachable = Math.min(rpm, (50 / 1.5) * 60)
    expect(sentMs.length).toBeGreaterThan((reachable * 400_000 * 0.95) / 60_000)
  },
)
