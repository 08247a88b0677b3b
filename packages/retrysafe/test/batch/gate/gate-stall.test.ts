import { expect, test } from 'vitest'
import type { GateOutcome } from '../../../src/batch/gate/gate.ts'
import { GateStage } from './gate-stage.ts'

const gone: GateOutcome = { kind: 'unreachable', trouble: 'ECONNREFUSED' }

/** Comes again and again, and every time the same comes of it. */
async function comeUntilStalled(stage: GateStage, outcome: GateOutcome): Promise<number> {
  const fromMs = stage.time.clock.monotonicMs()
  for (let call = 0; call < 10_000; call++) {
    const turn = stage.gate.enter(stage.signal, 0)
    let told = false
    void turn.then(() => {
      told = true
    })
    await stage.time.advance(0)
    while (!told) await stage.time.advance(Math.max(1, Math.ceil(stage.gate.heldMs())))
    const pass = await turn
    if (pass === 'stalled') return stage.time.clock.monotonicMs() - fromMs
    pass?.leave(outcome)
  }
  throw new Error('it never gives up')
}

test('where nobody ever was, the batch gives up after 30 seconds, not sooner', async () => {
  const stage = new GateStage()
  expect(await comeUntilStalled(stage, gone)).toBe(30_000)
  expect(stage.gate.lastTrouble).toBe('ECONNREFUSED')
})

test('where somebody had been, after the time that was asked for', async () => {
  const stage = new GateStage({ giveUpMs: 120_000 })
  const pass = await stage.enter()
  pass.leave({ kind: 'answered' })
  expect(await comeUntilStalled(stage, gone)).toBe(120_000)
})

test('refusals alone are borne as long as that, from the first moment on', async () => {
  const stage = new GateStage({ giveUpMs: 120_000 })
  expect(await comeUntilStalled(stage, { kind: 'throttled', retryAfterMs: 5_000, trouble: '429' })).toBe(120_500)
})

test('a Retry-After beyond it is cut short for a last try', async () => {
  const stage = new GateStage({ giveUpMs: 60_000 })
  const pass = await stage.enter()
  pass.leave({ kind: 'throttled', retryAfterMs: 3_600_000, trouble: '429' })
  expect([stage.gate.heldMs(), stage.gate.patienceMs()]).toEqual([60_000, 60_000])
  expect(await comeUntilStalled(stage, { kind: 'throttled', retryAfterMs: 3_600_000, trouble: '429' })).toBe(60_250)
})

test('all that wait are told, and all that come later', async () => {
  const stage = new GateStage({ concurrency: 1, giveUpMs: 1_000 })
  const pass = await stage.enter()
  await stage.come(3)
  pass.leave({ kind: 'failed', trouble: '500' })
  await stage.time.advance(1_000)
  stage.passes[0]?.leave({ kind: 'failed', trouble: '500' })
  await stage.time.advance(0)
  expect(stage.entered).toEqual([0, 'stalled', 'stalled'])
  expect(await stage.gate.enter(stage.signal, 0)).toBe('stalled')
  expect(stage.time.waitingTimers).toBe(0)
})

test('an answer begins the time anew', async () => {
  const stage = new GateStage({ giveUpMs: 10_000 })
  for (let round = 0; round < 5; round++) {
    const failing = await stage.enter()
    failing.leave({ kind: 'failed', trouble: '500' })
    await stage.time.advance(9_000)
    const answered = await stage.enter()
    answered.leave({ kind: 'answered' })
  }
  const last = await stage.enter()
  last.leave({ kind: 'failed', trouble: '500' })
  expect(typeof (await stage.gate.enter(stage.signal, 0))).toBe('object')
})

test('silence is no trouble: calls that were sent before it began may yet answer', async () => {
  const stage = new GateStage({ giveUpMs: 60_000 })
  const long = await stage.enter()
  const failing = await stage.enter()
  failing.leave({ kind: 'failed', trouble: '500' })
  await stage.time.advance(600_000)
  const again = await stage.enter()
  again.leave({ kind: 'failed', trouble: '500' })
  expect(typeof (await stage.gate.enter(stage.signal, 0))).toBe('object')
  long.leave({ kind: 'failed', trouble: 'cut' })
  expect(await stage.gate.enter(stage.signal, 0)).toBe('stalled')
})

test('a pass that was not used is no trouble', async () => {
  const stage = new GateStage({ giveUpMs: 1_000 })
  const unused = await stage.enter()
  unused.leave({ kind: 'unused' })
  await stage.time.advance(2_000)
  const failing = await stage.enter()
  failing.leave({ kind: 'failed', trouble: '500' })
  expect(typeof (await stage.gate.enter(stage.signal, 0))).toBe('object')
})
