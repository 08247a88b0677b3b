import { beforeEach, expect, it } from 'vitest'
import type { Store } from '../../src/engine/store.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { callOf, describe as describeEntry, enterRun, type ManualEngine, openManualEngine } from '../support/engines.ts'
import { ManualTime, now } from '../support/manual-time.ts'
import { keyOf } from '../support/store-terms.ts'

let time: ManualTime
let store: Store
let a: ManualEngine
let b: ManualEngine
beforeEach(async () => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
  a = await openManualEngine(time, store, { seed: 1 })
  b = await openManualEngine(time, store, { seed: 2 })
})

const k = keyOf('k')

// Found by the simulation (seed 189): such an attempt went on beating, and its key was shut for good.
it('frees the key of an attempt that was cancelled before it began: the mark says so', async () => {
  const attempt = await enterRun(a.engine, { onCrash: 'fail' })
  expect(await store.cancel(k, attempt.token.fence)).toBe('ok')
  expect(await attempt.begin()).toBe('lost')
  expect(a.engine.running).toBe(0)
  expect(describeEntry(await b.engine.enter(callOf({ onCrash: 'fail', waitMs: 0 })))).toBe('run')
})

it('frees the key of an attempt that was cancelled before it began: a beat said so', async () => {
  const attempt = await enterRun(a.engine)
  expect(await store.cancel(k, attempt.token.fence)).toBe('ok')
  await time.advance(10_000)
  expect(attempt.isCancelled).toBe(true)
  expect(await now(attempt.begin())).toBe('lost')
  expect(a.engine.running).toBe(0)
  expect(describeEntry(await b.engine.enter(callOf({ waitMs: 0 })))).toBe('run')
})
