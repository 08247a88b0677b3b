import { beforeEach, expect, it } from 'vitest'
import type { ClaimTerms, Store } from '../../src/engine/store.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { callOf, enterRun, type ManualEngine, openManualEngine, runOf } from '../support/engines.ts'
import { type FaultyStore, faultyStore } from '../support/faulty-store.ts'
import { ManualTime, now, settle } from '../support/manual-time.ts'
import { keyOf } from '../support/store-terms.ts'

let time: ManualTime
let store: Store
let faulty: FaultyStore
let a: ManualEngine
let b: ManualEngine
beforeEach(async () => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
  faulty = faultyStore(store)
  a = await openManualEngine(time, faulty.store, { seed: 1 })
  b = await openManualEngine(time, store, { seed: 2 })
})

// Rule 6: the deadline counts from the sending of the claim that was granted, and nobody knows which one that was.
it('renews before it begins when the grant may be older than the claim that told of it', async () => {
  const first = await enterRun(b.engine)
  const entering = a.engine.enter(callOf())
  await settle()
  const claim = faulty.calls.find(call => call.method === 'claim')?.args[0] as ClaimTerms
  await first.release('free')
  // The network delivers the waiter's first claim again: now it is granted, and the waiter does not know.
  expect((await store.claim(claim)).kind).toBe('acquired')
  // The waiter's process is stopped until the lease is all but over.
  time.jump(29_500)
  const attempt = runOf(await now(entering))
  expect(await attempt.begin()).toBe('go')
  expect(faulty.count('renew')).toBe(1)
  expect((await store.get(keyOf('k')))?.leaseLeftMs).toBe(30_000)
})
