import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../src/engine/store.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import {
  callOf,
  describe as describeEntry,
  enterRun,
  type ManualEngine,
  openManualEngine,
  runPlain,
} from '../support/engines.ts'
import { type FaultyStore, faultyStore, gate } from '../support/faulty-store.ts'
import { ManualTime, now } from '../support/manual-time.ts'
import { fingerprintOf, keyOf } from '../support/store-terms.ts'

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

const k = keyOf('k')

describe('begin', () => {
  it('costs nothing under rerun: two commands a first call', async () => {
    const attempt = await enterRun(a.engine)
    expect(await attempt.begin()).toBe('go')
    await runPlain(attempt, 'answer')
    const commands = faulty.calls.map(call => call.method).filter(method => method !== 'metaInit')
    expect(commands).toEqual(['claim', 'complete'])
  })

  it('marks once under fail: three commands a first call', async () => {
    const attempt = await enterRun(a.engine, { onCrash: 'fail' })
    expect((await store.get(k))?.sent).toBe(false)
    expect(await attempt.begin()).toBe('go')
    expect((await store.get(k))?.sent).toBe(true)
    await runPlain(attempt, 'answer')
    const commands = faulty.calls.map(call => call.method).filter(method => method !== 'metaInit')
    expect(commands).toEqual(['claim', 'renew', 'complete'])
  })

  it('may not begin when the mark did not get through, or somebody has taken over', async () => {
    const attempt = await enterRun(a.engine, { onCrash: 'fail' })
    faulty.next('renew', { kind: 'reject' })
    await expect(attempt.begin()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await attempt.release('free')
    const zombie = await enterRun(a.engine, { onCrash: 'fail' })
    a.process.kill()
    time.jump(32_000)
    await enterRun(b.engine, { onCrash: 'fail' })
    expect(await zombie.begin()).toBe('lost')
    expect((await store.get(k))?.sent).toBe(false)
    expect(zombie.isStopped).toBe(true)
    expect(a.engine.running).toBe(0)
  })

  it('renews first when the local deadline has passed', async () => {
    const attempt = await enterRun(a.engine)
    time.jump(27_999)
    expect(await attempt.begin()).toBe('go')
    expect(faulty.count('renew')).toBe(0)
    const late = await enterRun(a.engine, { key: keyOf('k2') })
    time.jump(28_000)
    expect(await late.begin()).toBe('go')
    expect(faulty.count('renew')).toBe(1)
  })

  it('counts the wall clock too: the machine may have slept', async () => {
    const attempt = await enterRun(a.engine)
    time.jumpWall(28_000)
    await attempt.begin()
    expect(faulty.count('renew')).toBe(1)
  })

  it('counts from the sending of the claim, not from its answer', async () => {
    const reply = gate()
    faulty.next('claim', { kind: 'hold reply', until: reply.until })
    const entering = a.engine.enter(callOf())
    time.jump(28_000)
    reply.open()
    const entry = await entering
    if (entry.kind !== 'run') throw new Error(describeEntry(entry))
    await entry.attempt.begin()
    expect(faulty.count('renew')).toBe(1)
  })

  it('refuses past the deadline when the renewal itself took too long', async () => {
    const attempt = await enterRun(a.engine, { onCrash: 'fail' })
    const reply = gate()
    faulty.next('renew', { kind: 'hold reply', until: reply.until })
    const begun = attempt.begin()
    time.jump(28_000)
    reply.open()
    expect(await begun).toBe('lost')
  })

  it('does not wedge the key by an attempt that was refused its beginning', async () => {
    const attempt = await enterRun(a.engine)
    time.jump(28_000)
    const reply = gate()
    faulty.next('renew', { kind: 'hold reply', until: reply.until })
    const begun = attempt.begin()
    time.jump(28_000)
    reply.open()
    expect(await begun).toBe('lost')
    // Nothing was sent and nothing ever will be: the caller goes on, and so must the key.
    await time.advance(40_000)
    const entry = b.engine.enter(callOf({ waitMs: 60_000 }))
    await time.advance(60_000)
    expect(describeEntry(await now(entry))).toBe('run')
    expect(a.engine.running).toBe(0)
  })

  it('does not wedge the key when the store was busy', async () => {
    const attempt = await enterRun(a.engine, { onCrash: 'fail' })
    faulty.next('renew', { kind: 'answer', answer: { kind: 'busy' } })
    const begun = await attempt.begin()
    if (begun === 'go') {
      expect((await store.get(k))?.sent).toBe(true)
      return
    }
    await time.advance(40_000)
    const entry = b.engine.enter(callOf({ onCrash: 'fail', waitMs: 60_000 }))
    await time.advance(60_000)
    expect(describeEntry(await now(entry))).toBe('run')
  })

  it("marks a record that was made under fail, whatever the call's own policy", async () => {
    // I4: at most one dispatch whose failure nobody reported, per incarnation of a record under `fail`.
    await enterRun(a.engine, { onCrash: 'fail' })
    a.process.kill()
    time.jump(32_000)
    const second = await enterRun(b.engine, { onCrash: 'rerun' })
    expect(await second.begin()).toBe('go')
    expect(await store.get(k)).toMatchObject({ onCrash: 'fail', sent: true })
    b.process.kill()
    time.jump(32_000)
    const c = await openManualEngine(time, store, { seed: 3 })
    expect(describeEntry(await c.engine.enter(callOf({ onCrash: 'fail' })))).toBe('refused OUTCOME_UNKNOWN')
  })
})

describe('the canonical fingerprint', () => {
  const spelled = (change = {}) => callOf({ raw: fingerprintOf('raw-2'), ...change })
  const strange = (change = {}) =>
    callOf({ raw: fingerprintOf('raw-3'), canonical: () => fingerprintOf('canonical-3'), ...change })

  it('is told 100 ms after the beginning, once, and not before', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    const same = b.engine.enter(spelled())
    const other = b.engine.enter(strange())
    await time.advance(99)
    expect(faulty.count('renew')).toBe(0)
    expect(await now(other)).toBe('pending')
    await time.advance(1)
    expect(faulty.count('renew')).toBe(1)
    expect(describeEntry(await now(other))).toBe('refused KEY_REUSED')
    await runPlain(attempt, 'answer')
    await time.advance(1_000)
    expect((await now(same)) !== 'pending' && describeEntry(await same)).toMatch(/follow|replay 200 "answer"/)
    expect(faulty.count('renew')).toBe(1)
  })

  it('is told at once when somebody of the same process asks', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    expect(describeEntry(await now(a.engine.enter(strange())))).toBe('refused KEY_REUSED')
    expect(faulty.count('renew')).toBe(1)
  })

  it('comes before the refusal of who does not wait', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    const other = b.engine.enter(strange({ waitMs: 0 }))
    const same = b.engine.enter(spelled({ waitMs: 0 }))
    await time.advance(250)
    expect(describeEntry(await now(other))).toBe('refused KEY_REUSED')
    expect(describeEntry(await now(same))).toBe('refused IN_FLIGHT wait over')
  })

  it('is computed at most once by who asks, and not at all when raw is equal', async () => {
    let computed = 0
    const canonical = () => {
      computed++
      return fingerprintOf('canonical-1')
    }
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    const same = b.engine.enter(spelled({ canonical }))
    const equal = b.engine.enter(callOf({ canonical }))
    await time.advance(5_000)
    await runPlain(attempt, 'answer')
    await time.advance(1_000)
    expect(await now(same)).not.toBe('pending')
    expect(await now(equal)).not.toBe('pending')
    expect(computed).toBe(1)
  })

  it('is told again when the note was lost, within lease and grace (I12)', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    faulty.next('renew', { kind: 'reject' })
    await time.advance(100)
    const other = b.engine.enter(strange())
    await time.advance(32_000)
    expect(describeEntry(await now(other))).toBe('refused KEY_REUSED')
  })

  it('is told again when the store was busy', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    faulty.next('renew', { kind: 'answer', answer: { kind: 'busy' } })
    await time.advance(100)
    await runPlain(attempt, 'answer')
    expect(describeEntry(await b.engine.enter(spelled()))).toBe('replay 200 "answer"')
  })

  it('goes with complete, append and release, so that no note is needed', async () => {
    const one = await enterRun(a.engine)
    await one.begin()
    await runPlain(one, 'answer')
    expect(describeEntry(await b.engine.enter(spelled()))).toBe('replay 200 "answer"')
    const two = await enterRun(a.engine, { key: keyOf('k2') })
    await two.begin()
    await two.release('broken')
    expect(describeEntry(await b.engine.enter(strange({ key: keyOf('k2') })))).toBe('refused KEY_REUSED')
    expect(describeEntry(await b.engine.enter(spelled({ key: keyOf('k2') })))).toBe('run')
    expect(faulty.count('renew')).toBe(0)
  })
})

describe('another try in the same run', () => {
  it('costs nothing under a lease that covers it, and a renewal past its deadline', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    time.jump(27_999)
    expect(await attempt.mayTryAgain()).toBe(true)
    expect(faulty.count('renew')).toBe(0)
    time.jump(1)
    expect(await attempt.mayTryAgain()).toBe(true)
    expect(faulty.count('renew')).toBe(1)
  })

  it('is not made by who stood still until somebody took over', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    a.process.kill()
    time.jump(32_000)
    await enterRun(b.engine)
    expect(await attempt.mayTryAgain()).toBe(false)
    expect(attempt.isStopped).toBe(true)
  })

  it('nor where the store does not say so, nor in a process that is going away; the attempt is not ended by that', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    time.jump(28_000)
    faulty.next('renew', { kind: 'reject' })
    await expect(attempt.mayTryAgain()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await attempt.mayTryAgain()).toBe(true)
    await a.engine.giveUp()
    expect(await attempt.mayTryAgain()).toBe(false)
    expect((await store.get(k))?.state).toBe('running')
  })
})
