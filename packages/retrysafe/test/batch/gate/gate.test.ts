import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { GateStage } from './gate-stage.ts'

const warnings: string[] = []
const note = (warning: Error): void => void warnings.push(warning.name)
beforeEach(() => void process.on('warning', note))
afterEach(() => void process.off('warning', note))

test('no more than the limit are inside, and whoever waits enters in the order of asking', async () => {
  const stage = new GateStage({ concurrency: 2 })
  const first = await stage.enter()
  await stage.enter()
  const order: string[] = []
  void stage.gate.enter(stage.signal, 0).then(() => order.push('third'))
  void stage.gate.enter(stage.signal, 0).then(() => order.push('fourth'))
  await stage.time.advance(60_000)
  expect(order).toEqual([])
  first.leave({ kind: 'answered' })
  await stage.time.advance(0)
  expect(order).toEqual(['third'])
  expect(stage.gate.inFlight).toBe(2)
})

test('a pass that is left twice gives one slot back', async () => {
  const stage = new GateStage({ concurrency: 2 })
  const first = await stage.enter()
  await stage.enter()
  await stage.come(3)
  first.leave({ kind: 'answered' })
  first.leave({ kind: 'throttled', retryAfterMs: 5_000, trouble: 'late' })
  await stage.time.advance(0)
  expect(stage.entered).toEqual([0])
  expect(stage.gate).toMatchObject({ inFlight: 2, limit: 2, lastTrouble: undefined })
  expect(stage.gate.heldMs()).toBe(0)
})

test('whoever comes while others wait goes to the end, also when its estimate would fit sooner', async () => {
  const stage = new GateStage({ tokensPerMinute: 6_000 })
  await stage.enter(100)
  const order: string[] = []
  void stage.gate.enter(stage.signal, 100).then(() => order.push('large'))
  await stage.time.advance(500)
  void stage.gate.enter(stage.signal, 1).then(() => order.push('small'))
  await stage.time.advance(499)
  expect(order).toEqual([])
  await stage.time.advance(1)
  expect(order).toEqual(['large'])
  await stage.time.advance(10)
  expect(order).toEqual(['large', 'small'])
})

test('what was sent before takes turns with what was not, each in the order of asking', async () => {
  const stage = new GateStage({ concurrency: 1 })
  const passes = [await stage.enter()]
  const order: string[] = []
  const come = (name: string, tries: number): void => {
    void stage.gate.enter(stage.signal, 0, tries).then(pass => {
      order.push(name)
      if (typeof pass === 'object') passes.push(pass)
    })
  }
  come('new', 0)
  come('newer', 0)
  come('again', 1)
  come('again, later', 1)
  for (let turn = 0; turn < 4; turn++) {
    passes[turn]?.leave({ kind: 'answered' })
    await stage.time.advance(0)
  }
  expect(order).toEqual(['again', 'new', 'again, later', 'newer'])
})

test('what comes again and needs less than what is new enters at once', async () => {
  const stage = new GateStage({ tokensPerMinute: 6_000 })
  await stage.enter(100)
  await stage.come(1, 100)
  await stage.time.advance(500)
  expect(typeof (await stage.gate.enter(stage.signal, 10, 1))).toBe('object')
  expect(stage.entered).toEqual([])
})

test('a signal ends the waiting of all that wait under it; no timer is left, and nobody enters after', async () => {
  const stage = new GateStage({ concurrency: 2 })
  const first = await stage.enter()
  first.leave({ kind: 'throttled', retryAfterMs: 60_000, trouble: '429' })
  await stage.come(3)
  expect(stage.time.waitingTimers).toBe(1)
  stage.stop()
  await stage.time.advance(0)
  expect(stage.entered).toEqual([undefined, undefined, undefined])
  expect(stage.time.waitingTimers).toBe(0)
  expect(await stage.gate.enter(stage.signal, 0)).toBe(undefined)
  expect(stage.gate.inFlight).toBe(0)
})

test('one whose signal fires lets the next one by', async () => {
  const stage = new GateStage({ tokensPerMinute: 6_000 })
  const own = new AbortController()
  await stage.enter(100)
  const gone = stage.gate.enter(own.signal, 100)
  await stage.come(1, 1)
  own.abort()
  expect(await gone).toBe(undefined)
  await stage.time.advance(10)
  expect(stage.entered).toEqual([10])
})

test('a hundred that wait under one signal are one listener, and none when they are in: Node warns of nothing', async () => {
  const stage = new GateStage({ concurrency: 1 })
  const first = await stage.enter()
  await stage.come(1)
  expect(getEventListeners(stage.signal, 'abort')).toHaveLength(1)
  first.leave({ kind: 'answered' })
  await stage.time.advance(0)
  expect(stage.entered.splice(0)).toEqual([0])
  expect(getEventListeners(stage.signal, 'abort')).toHaveLength(0)
  await stage.come(100)
  await new Promise(resolve => setImmediate(resolve))
  expect(getEventListeners(stage.signal, 'abort')).toHaveLength(1)
  expect(warnings).toEqual([])
  stage.stop()
  await stage.time.advance(0)
  expect(stage.entered).toHaveLength(100)
})

test('a pass that was not used gives back what it had taken, and teaches nothing', async () => {
  const stage = new GateStage({ concurrency: 1, requestsPerMinute: 60, tokensPerMinute: 6_000 })
  const pass = await stage.enter(100)
  await stage.come(1, 100)
  pass.leave({ kind: 'unused' })
  await stage.time.advance(0)
  expect(stage.entered).toEqual([0])
  expect(stage.gate).toMatchObject({ inFlight: 1, limit: 1, lastTrouble: undefined })
})

test('without trouble there is nothing to show, and no timer', async () => {
  const stage = new GateStage({ concurrency: 2 })
  for (let call = 0; call < 200; call++) {
    const pass = await stage.enter()
    await stage.time.advance(5)
    pass.leave({ kind: 'answered' })
  }
  expect(stage.shown).toEqual([])
  expect(stage.time.waitingTimers).toBe(0)
})
