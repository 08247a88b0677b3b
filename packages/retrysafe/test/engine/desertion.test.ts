import { beforeEach, describe, expect, it } from 'vitest'
import type { Attempt } from '../../src/engine/attempt.ts'
import type { Call } from '../../src/engine/claim.ts'
import { stopWhenDeserted } from '../../src/engine/desertion.ts'
import type { Store } from '../../src/engine/store.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import {
  callOf,
  describe as describeEntry,
  enterFollow,
  enterRun,
  followerOf,
  type ManualEngine,
  okHead,
  openManualEngine,
  readAll,
  runOf,
} from '../support/engines.ts'
import { type FaultyStore, faultyStore, gate } from '../support/faulty-store.ts'
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

interface LeftRun {
  readonly attempt: Attempt
  /** Its caller leaves. */
  leave(): void
  stops(): number
}

/** A run that ends when it is stopped, as one whose upstream is cut off. */
async function runUnder(graceMs: number, change: Partial<Call> = {}): Promise<LeftRun> {
  const attempt = await enterRun(a.engine, change)
  await attempt.begin()
  const gone = new AbortController()
  let stops = 0
  attempt.onStop(() => {
    stops += 1
    void attempt.release('cancelled')
  })
  stopWhenDeserted(attempt, { gone: gone.signal, graceMs }, a.process.surroundings.timers)
  return { attempt, leave: () => gone.abort(), stops: () => stops }
}

function goLive({ recording }: Attempt): void {
  recording.open(okHead)
  recording.goLive()
  recording.write(Buffer.from('begun '))
}

describe('under cancel', () => {
  it('stops at once, and the key is free', async () => {
    const run = await runUnder(0)
    await settle()
    expect(run.stops()).toBe(0)
    run.leave()
    await settle()
    expect([run.stops(), run.attempt.isDeserted, a.engine.running]).toEqual([1, true, 0])
    expect((await enterRun(b.engine)).number).toBe(1)
    expect(time.waitingTimers).toBe(3)
  })

  it('the outcome is unknown where the policy is fail', async () => {
    const run = await runUnder(0, { onCrash: 'fail' })
    run.leave()
    await settle()
    expect(run.stops()).toBe(1)
    expect(describeEntry(await b.engine.enter(callOf({ onCrash: 'fail' })))).toBe('refused OUTCOME_UNKNOWN')
  })

  it('stops when the last of those has left who wait for its head', async () => {
    const run = await runUnder(0)
    const leave = new AbortController()
    const waiting = a.engine.enter(callOf({ signal: leave.signal }))
    await settle()
    run.leave()
    await time.advance(60_000)
    expect(run.stops()).toBe(0)
    leave.abort()
    expect(describeEntry(await waiting)).toBe('left')
    await settle()
    expect(run.stops()).toBe(1)
  })

  it('stops when the last of those has left who read along', async () => {
    const run = await runUnder(0)
    goLive(run.attempt)
    const follower = await enterFollow(a.engine)
    const resumed = await a.engine.resume({ key: keyOf('k'), fence: run.attempt.token.fence, offsetBytes: 2 })
    if (resumed.kind !== 'follow') throw new Error(resumed.kind)
    run.leave()
    await time.advance(60_000)
    follower.close()
    follower.close()
    await settle()
    expect(run.stops()).toBe(0)
    resumed.follower.close()
    await settle()
    expect(run.stops()).toBe(1)
  })

  it('goes on for who follows from another process, and stops after that', async () => {
    const run = await runUnder(0)
    goLive(run.attempt)
    await time.advance(250)
    const follower = await enterFollow(b.engine)
    run.leave()
    await time.advance(60_000)
    expect(run.stops()).toBe(0)
    follower.close()
    await time.advance(1_000)
    expect(run.stops()).toBe(1)
  })

  it('does nothing to a run whose outcome is on its way to the store', async () => {
    const run = await runUnder(0)
    goLive(run.attempt)
    const slow = gate()
    faulty.next('complete', { kind: 'hold', until: slow.until })
    const sealed = run.attempt.complete()
    run.leave()
    await settle()
    slow.open()
    expect(await sealed).toBe('sealed')
    await settle()
    expect(run.stops()).toBe(0)
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "begun "')
  })

  it('keeps what turns out to be whole when it is stopped: it is paid for', async () => {
    const run = await runUnder(0)
    goLive(run.attempt)
    run.attempt.onStop(() => void run.attempt.complete())
    run.leave()
    await settle()
    expect(run.attempt.isDeserted).toBe(true)
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "begun "')
    expect(a.engine.running).toBe(0)
  })
})

describe('under grace', () => {
  it('stops when its time is over and nobody has come back', async () => {
    const run = await runUnder(30_000)
    run.leave()
    await time.advance(29_999)
    expect(run.stops()).toBe(0)
    await time.advance(1)
    expect(run.stops()).toBe(1)
  })

  it('goes on for who came back, and has its whole time again once they have left', async () => {
    const run = await runUnder(30_000)
    goLive(run.attempt)
    run.leave()
    await time.advance(29_000)
    const back = await enterFollow(a.engine)
    await time.advance(60_000)
    back.close()
    await time.advance(29_999)
    expect(run.stops()).toBe(0)
    const again = await enterFollow(a.engine)
    await run.attempt.complete()
    expect(await readAll(again)).toEqual({ text: 'begun ', ending: 'end' })
    again.close()
    await time.advance(60_000)
    expect(run.stops()).toBe(0)
  })

  it('counts from the beginning for a caller who had left before', async () => {
    const attempt = await enterRun(a.engine)
    let stops = 0
    attempt.onStop(() => void stops++)
    stopWhenDeserted(attempt, { gone: AbortSignal.abort(), graceMs: 5_000 }, a.process.surroundings.timers)
    await time.advance(4_999)
    expect(stops).toBe(0)
    await time.advance(1)
    expect(stops).toBe(1)
  })
})

describe('who comes', () => {
  it('while the store is asked whether somebody follows keeps the run', async () => {
    const run = await runUnder(0)
    goLive(run.attempt)
    const asked = gate()
    faulty.next('renew', { kind: 'hold reply', until: asked.until })
    run.leave()
    await settle()
    const follower = await enterFollow(a.engine)
    asked.open()
    await time.advance(60_000)
    expect(run.stops()).toBe(0)
    follower.close()
    await settle()
    expect(run.stops()).toBe(1)
  })

  it('and goes again while the store is asked begins a new time', async () => {
    const run = await runUnder(5_000)
    goLive(run.attempt)
    const asked = gate()
    run.leave()
    await time.advance(4_000)
    faulty.next('renew', { kind: 'hold reply', until: asked.until })
    await time.advance(1_000)
    const follower = await enterFollow(a.engine)
    follower.close()
    asked.open()
    await time.advance(4_999)
    expect(run.stops()).toBe(0)
    await time.advance(1)
    expect(run.stops()).toBe(1)
  })

  it.each([false, true])(
    'after the decision is given nothing that breaks off, and runs anew (live: %s)',
    async live => {
      const run = await runUnder(0)
      if (live) goLive(run.attempt)
      const ending = gate()
      faulty.next('release', { kind: 'hold', until: ending.until })
      run.leave()
      await settle()
      expect(run.stops()).toBe(1)
      const late = a.engine.enter(callOf())
      expect(await now(late)).toBe('pending')
      if (!live) goLive(run.attempt)
      expect(await now(late)).toBe('pending')
      ending.open()
      expect(runOf(await late).number).toBe(1)
    },
  )

  it('after the decision is not charged with a failed run: another may fail before theirs', async () => {
    const run = await runUnder(0)
    const ending = gate()
    faulty.next('release', { kind: 'hold', until: ending.until })
    run.leave()
    await settle()
    const first = a.engine.enter(callOf())
    const second = a.engine.enter(callOf())
    await settle()
    ending.open()
    const attempt = runOf(await first)
    await settle()
    await attempt.release('failed')
    expect(describeEntry(await second)).toBe('run')
  })

  it('after the decision joins the outcome, where it came whole after all', async () => {
    const run = await runUnder(0)
    goLive(run.attempt)
    const ending = gate()
    run.attempt.onStop(() => void ending.until.then(() => run.attempt.complete()))
    run.leave()
    await settle()
    const late = a.engine.enter(callOf())
    expect(await now(late)).toBe('pending')
    ending.open()
    expect(await readAll(followerOf(await late))).toEqual({ text: 'begun ', ending: 'end' })
  })
})

describe('a store that cannot say whether somebody follows', () => {
  it.each([{ kind: 'reject' } as const, { kind: 'answer', answer: { kind: 'busy' } } as const])(
    '%s: the run goes on until it can',
    async fault => {
      const run = await runUnder(0)
      faulty.always('renew', fault)
      run.leave()
      await time.advance(5_000)
      expect(run.stops()).toBe(0)
      faulty.always('renew', undefined)
      await time.advance(1_000)
      expect(run.stops()).toBe(1)
    },
  )

  it('asks nothing more once the process gives up', async () => {
    const run = await runUnder(5_000)
    run.leave()
    await a.engine.giveUp()
    const asked = faulty.count('renew')
    await time.advance(60_000)
    expect([run.stops(), run.attempt.isDeserted, faulty.count('renew')]).toEqual([1, false, asked])
  })
})
