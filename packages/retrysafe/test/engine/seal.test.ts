import { beforeEach, describe, expect, it } from 'vitest'
import { followRecording } from '../../src/engine/follower.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import {
  callOf,
  describe as describeEntry,
  enterFollow,
  enterRun,
  type ManualEngine,
  okHead,
  openManualEngine,
  readAll,
  runPlain,
} from '../support/engines.ts'
import { type FaultyStore, faultyStore, gate } from '../support/faulty-store.ts'
import { ManualTime, now, settle } from '../support/manual-time.ts'
import { fingerprintOf, textOf } from '../support/store-terms.ts'

let time: ManualTime
let faulty: FaultyStore
let a: ManualEngine
let b: ManualEngine
beforeEach(async () => {
  time = new ManualTime()
  const store = memoryStore({ clock: time.clock })
  faulty = faultyStore(store)
  a = await openManualEngine(time, faulty.store, { seed: 1 })
  b = await openManualEngine(time, store, { seed: 2 })
})

const never = new Promise<void>(() => {})

describe('the terminal bytes of a stream', () => {
  it('wait until complete is acknowledged', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    const first = followRecording(attempt.recording, okHead, true)
    attempt.recording.hold(5)
    attempt.recording.write(Buffer.from('data [DONE]'))
    expect(textOf(((await first.next()) as { bytes: Uint8Array }).bytes)).toBe('data ')
    const rest = first.next()
    const reply = gate()
    faulty.next('complete', { kind: 'hold reply', until: reply.until })
    const sealed = attempt.complete()
    await time.advance(999)
    expect(await now(rest)).toBe('pending')
    expect(await now(sealed)).toBe('pending')
    reply.open()
    expect(await now(sealed)).toBe('sealed')
    expect(textOf(((await now(rest)) as { bytes: Uint8Array }).bytes)).toBe('[DONE]')
    expect(await first.next()).toEqual({ kind: 'end' })
  })

  it('wait for the store after the process stood still: somebody has taken over, and its outcome is another', async () => {
    const attempt = await enterRun(a.engine)
    const reply = gate()
    faulty.next('complete', { kind: 'hold', until: reply.until })
    const sealed = runPlain(attempt, 'of the first')
    await time.advance(10)
    time.jump(120_000)
    await runPlain(await enterRun(b.engine), 'of the second')
    // What was due meanwhile fires before what the store has to say is read.
    await time.advance(0)
    expect(await now(sealed)).toBe('pending')
    reply.open()
    expect(await now(sealed)).toBe('lost')
  })

  it('wait at most a second for a store that does not answer', async () => {
    faulty.always('complete', { kind: 'hold', until: never })
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.hold(0)
    attempt.recording.write(Buffer.from('[DONE]'))
    const here = await enterFollow(a.engine)
    const sealed = attempt.complete()
    await time.advance(999)
    expect(await now(sealed)).toBe('pending')
    await time.advance(1)
    expect(await now(sealed)).toBe('sealed')
    expect(await readAll(here)).toEqual({ text: '[DONE]', ending: 'end' })
    expect(a.engine.running).toBe(1)
  })

  it('are not shown in another process either before complete', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('data '))
    await time.advance(250)
    const there = await enterFollow(b.engine)
    expect(textOf(((await there.next()) as { bytes: Uint8Array }).bytes)).toBe('data ')
    // The terminal frame is here, the upstream's clean end is not yet.
    attempt.recording.hold(5)
    attempt.recording.write(Buffer.from('[DONE]'))
    const rest = there.next()
    await time.advance(1_000)
    expect(await now(rest)).toBe('pending')
    await attempt.complete()
    await time.advance(200)
    expect(textOf(((await now(rest)) as { bytes: Uint8Array }).bytes)).toBe('[DONE]')
    there.close()
  })
})

describe('complete', () => {
  it('is repeated until it lands, while the lease is kept', async () => {
    faulty.always('complete', { kind: 'reject' })
    const attempt = await enterRun(a.engine)
    const sealed = runPlain(attempt, 'answer')
    await time.advance(1_000)
    expect(await now(sealed)).toBe('sealed')
    let idle = false
    void a.engine.idle().then(() => {
      idle = true
    })
    await time.advance(300_000)
    expect(idle).toBe(false)
    expect(a.engine.running).toBe(1)
    expect(faulty.count('renew')).toBeGreaterThanOrEqual(29)
    // Every 5 s at most, 2.5 s at least, after a quick start.
    expect(faulty.count('complete')).toBeGreaterThan(60)
    expect(faulty.count('complete')).toBeLessThan(130)
    expect(describeEntry(await b.engine.enter(callOf({ waitMs: 0 })))).toBe('refused IN_FLIGHT wait over')
    faulty.always('complete', undefined)
    await time.advance(5_000)
    expect(idle).toBe(true)
    expect(a.engine.running).toBe(0)
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "answer"')
    const beats = faulty.count('renew')
    await time.advance(60_000)
    expect(faulty.count('renew')).toBe(beats)
  })

  it('is one outcome when its answer was lost', async () => {
    faulty.next('complete', { kind: 'lose reply' }, { kind: 'lose reply' })
    const attempt = await enterRun(a.engine)
    const sealed = runPlain(attempt, 'answer')
    await time.advance(1_000)
    expect(await now(sealed)).toBe('sealed')
    await time.advance(5_000)
    expect(a.engine.running).toBe(0)
    expect(faulty.count('complete')).toBe(3)
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "answer"')
  })

  it('answers lost when somebody has taken over, also when that is known before', async () => {
    const attempt = await enterRun(a.engine)
    a.process.kill()
    time.jump(32_000)
    const successor = await enterRun(b.engine)
    expect(await runPlain(attempt, 'zombie')).toBe('lost')
    expect(attempt.isStopped).toBe(true)
    expect(a.engine.running).toBe(0)
    await runPlain(successor, 'answer')
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "answer"')
  })

  it('answers lost, not sealed, for an attempt known to be lost when the store no longer answers', async () => {
    const attempt = await enterRun(a.engine)
    time.jump(32_000)
    await enterRun(b.engine)
    await time.advance(1)
    expect(attempt.isStopped).toBe(true)
    faulty.always('complete', { kind: 'hold', until: never })
    const sealed = runPlain(attempt, 'zombie')
    await time.advance(1_000)
    expect(await now(sealed)).toBe('lost')
  })

  it('waits for an append that is under way', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('one '))
    const request = gate()
    faulty.next('append', { kind: 'hold', until: request.until })
    await time.advance(250)
    attempt.recording.write(Buffer.from('two'))
    const sealed = attempt.complete()
    await settle()
    expect(faulty.count('complete')).toBe(0)
    request.open()
    expect(await now(sealed)).toBe('sealed')
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "one two"')
  })

  it('carries the canonical form when the note that had taken it is lost on its way', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    const lost = gate()
    faulty.next('renew', { kind: 'reject late', until: lost.until })
    await time.advance(100)
    expect(faulty.count('renew')).toBe(1)
    expect(await runPlain(attempt, 'answer')).toBe('sealed')
    lost.open()
    await time.advance(1_000)
    const spelled = callOf({ raw: fingerprintOf('raw-2') })
    expect(describeEntry(await b.engine.enter(spelled))).toBe('replay 200 "answer"')
  })

  it('carries the canonical form also after a gap, when nothing but the head is kept', async () => {
    faulty.next('complete', { kind: 'answer', answer: 'gap' })
    const attempt = await enterRun(a.engine)
    await runPlain(attempt, 'answer')
    const spelled = callOf({ raw: fingerprintOf('raw-2') })
    expect(describeEntry(await b.engine.enter(spelled))).toBe('refused RESULT_NOT_KEPT')
  })

  it('leaves its owner the record until the store knows the outcome', async () => {
    faulty.always('complete', { kind: 'reject' })
    void runPlain(await enterRun(a.engine), 'answer')
    await time.advance(120_000)
    expect(describeEntry(await b.engine.enter(callOf({ waitMs: 0 })))).toBe('refused IN_FLIGHT wait over')
    // Here it is known already.
    const here = await enterFollow(a.engine)
    expect(await readAll(here)).toEqual({ text: 'answer', ending: 'end' })
  })
})
