import { beforeEach, describe, expect, it } from 'vitest'
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
  runPlain,
} from '../support/engines.ts'
import { ManualTime, now } from '../support/manual-time.ts'
import { keyOf, textOf } from '../support/store-terms.ts'

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

describe('a lease', () => {
  it('beats at a third, for as long as the run goes on', async () => {
    const attempt = await enterRun(a.engine)
    await time.advance(10_000)
    expect((await store.get(keyOf('k')))?.leaseLeftMs).toBe(30_000)
    await time.advance(600_000)
    expect((await store.get(keyOf('k')))?.fence).toBe(attempt.token.fence)
    expect((await store.get(keyOf('k')))?.leaseLeftMs).toBeGreaterThanOrEqual(20_000)
    expect(attempt.isStopped).toBe(false)
  })

  it('tells the run when an operator cancelled it, and frees the key by its release', async () => {
    const attempt = await enterRun(a.engine)
    let stopped = 0
    attempt.onStop(() => {
      stopped++
    })
    await store.cancel(keyOf('k'), attempt.token.fence)
    await time.advance(30_000)
    expect(stopped).toBe(1)
    expect(attempt.isCancelled).toBe(true)
    await attempt.release('cancelled')
    expect(a.engine.running).toBe(0)
    expect((await enterRun(b.engine)).number).toBe(1)
  })

  it('tells the run when an operator purged it', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    const here = await enterFollow(a.engine)
    await store.purge(keyOf('k'), attempt.token.fence, { force: true })
    await time.advance(10_000)
    expect(attempt.isStopped).toBe(true)
    expect(attempt.isCancelled).toBe(false)
    expect((await readAll(here)).ending).toBe('broken')
    expect(a.engine.running).toBe(0)
  })
})

describe('when another process takes over in mid-run', () => {
  it('breaks the followers of the old run, here and there, and never splices', async () => {
    const old = await enterRun(a.engine)
    old.recording.open(okHead)
    old.recording.goLive()
    old.recording.write(Buffer.from('old'))
    await time.advance(250)
    const here = await enterFollow(a.engine)
    const there = await enterFollow(b.engine)
    expect(textOf(((await there.next()) as { bytes: Uint8Array }).bytes)).toBe('old')
    time.jump(32_000)
    const successor = await enterRun(b.engine)
    expect(successor.number).toBe(2)
    successor.recording.open(okHead)
    successor.recording.goLive()
    successor.recording.write(Buffer.from('brand new'))
    await time.advance(1_000)
    expect(await there.next()).toEqual({ kind: 'broken' })
    expect(await readAll(here)).toEqual({ text: 'old', ending: 'broken' })
    expect(old.isStopped).toBe(true)
    const joined = await enterFollow(a.engine)
    await successor.complete()
    await time.advance(1_000)
    expect(await readAll(joined)).toEqual({ text: 'brand new', ending: 'end' })
    there.close()
  })

  it('lets those who wait for its head join the successor, not counted as a failure', async () => {
    const old = await enterRun(a.engine)
    const waiting = a.engine.enter(callOf())
    const elsewhere = b.engine.enter(callOf())
    await time.advance(100)
    time.jump(32_000)
    const c = await openManualEngine(time, store, { seed: 3 })
    const successor = await enterRun(c.engine)
    await time.advance(2_000)
    expect(old.isStopped).toBe(true)
    successor.recording.open(okHead)
    successor.recording.goLive()
    successor.recording.write(Buffer.from('new'))
    await time.advance(1_000)
    await successor.complete()
    await time.advance(1_000)
    for (const entry of [await now(waiting), await now(elsewhere)]) {
      expect(await readAll(followerOf(entry))).toEqual({ text: 'new', ending: 'end' })
    }
  })

  it('does not join its own old run when the store names another', async () => {
    const old = await enterRun(a.engine)
    old.recording.open(okHead)
    old.recording.goLive()
    old.recording.write(Buffer.from('old'))
    time.jump(32_000)
    const successor = await enterRun(b.engine)
    successor.recording.open(okHead)
    successor.recording.goLive()
    successor.recording.write(Buffer.from('new'))
    const joining = a.engine.enter(callOf())
    await time.advance(1_000)
    await successor.complete()
    await time.advance(1_000)
    expect(await readAll(followerOf(await now(joining)))).toEqual({ text: 'new', ending: 'end' })
  })

  it('keeps two runs of one process apart', async () => {
    const old = await enterRun(a.engine)
    time.jump(32_000)
    // The same process claims again before its own beat has come.
    const successor = await enterRun(a.engine)
    expect(successor.number).toBe(2)
    expect(a.engine.running).toBe(2)
    const joined = a.engine.enter(callOf())
    await time.advance(11_000)
    expect(old.isStopped).toBe(true)
    expect(successor.isStopped).toBe(false)
    expect(a.engine.running).toBe(1)
    await runPlain(successor, 'new')
    expect(await readAll(followerOf(await now(joined)))).toEqual({ text: 'new', ending: 'end' })
    expect(a.engine.running).toBe(0)
  })
})

describe('when the owner dies', () => {
  it('lets a waiter of another process take over after lease and grace, not only the next call', async () => {
    await enterRun(a.engine)
    const waiting = b.engine.enter(callOf({ waitMs: 600_000 }))
    await time.advance(1_000)
    a.process.kill()
    await time.advance(30_000)
    expect(await now(waiting)).toBe('pending')
    await time.advance(5_000)
    const entry = await now(waiting)
    expect(describeEntry(entry)).toBe('run')
    expect(runOf(entry).number).toBe(2)
  })

  it('gives exactly one of several waiters the run, the others follow it', async () => {
    await enterRun(a.engine)
    const waiting = [0, 1, 2, 3].map(() => b.engine.enter(callOf({ waitMs: 600_000 })))
    await time.advance(1_000)
    a.process.kill()
    await time.advance(35_000)
    const kinds = await Promise.all(waiting.map(async entry => describeEntry(await now(entry))))
    expect(kinds.filter(kind => kind === 'run')).toHaveLength(1)
    expect(kinds.filter(kind => kind === 'pending')).toHaveLength(3)
  })

  it('breaks a follower of its stream in another process soon after lease and grace', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('half'))
    await time.advance(250)
    const there = await enterFollow(b.engine)
    await there.next()
    const next = there.next()
    a.process.kill()
    await time.advance(40_000)
    expect(await now(next)).toEqual({ kind: 'broken' })
    there.close()
  })

  it('runs again up to the cap, then says that it does not know', async () => {
    for (const number of [1, 2, 3]) {
      const dying = await openManualEngine(time, store, { seed: 10 + number })
      expect((await enterRun(dying.engine)).number).toBe(number)
      dying.process.kill()
      time.jump(32_000)
    }
    const entry = await b.engine.enter(callOf())
    expect(entry).toMatchObject({ kind: 'refused', refusal: { code: 'OUTCOME_UNKNOWN', attempt: 3 } })
  })
})
