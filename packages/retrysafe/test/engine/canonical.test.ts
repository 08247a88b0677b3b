import { beforeEach, describe, expect, it } from 'vitest'
import type { Entry } from '../../src/engine/claim.ts'
import type { Fingerprint } from '../../src/fingerprint/fingerprint.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import {
  callOf,
  describe as describeEntry,
  enterRun,
  type ManualEngine,
  okHead,
  openManualEngine,
  runPlain,
} from '../support/engines.ts'
import { type FaultyStore, faultyStore } from '../support/faulty-store.ts'
import { ManualTime, now } from '../support/manual-time.ts'
import { fingerprintOf } from '../support/store-terms.ts'

let time: ManualTime
let faulty: FaultyStore
let a: ManualEngine
let b: ManualEngine
let make: (fingerprint: Fingerprint) => void
let fail: (error: Error) => void
let slow: () => Promise<Fingerprint>
beforeEach(async () => {
  time = new ManualTime()
  const store = memoryStore({ clock: time.clock })
  faulty = faultyStore(store)
  a = await openManualEngine(time, faulty.store, { seed: 1 })
  b = await openManualEngine(time, store, { seed: 2 })
  const making = new Promise<Fingerprint>((resolve, reject) => {
    make = resolve
    fail = reject
  })
  slow = () => making
})

const respelled = callOf({ raw: fingerprintOf('raw-2') })
const strange = callOf({ raw: fingerprintOf('raw-3'), canonical: () => fingerprintOf('canonical-3') })

describe('a canonical fingerprint that takes long', () => {
  it('is not waited for by the claim, the begin and the appends, but by the outcome', async () => {
    const attempt = await enterRun(a.engine, { canonical: slow })
    expect(await attempt.begin()).toBe('go')
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('the beginning '))
    await time.advance(1_000)
    expect(faulty.count('append')).toBe(1)
    attempt.recording.write(Buffer.from('and the end'))
    const completing = attempt.complete()
    await time.advance(500)
    expect(faulty.count('complete')).toBe(0)
    make(fingerprintOf('canonical-1'))
    expect(await now(completing)).toBe('sealed')
    expect(describeEntry(await b.engine.enter(respelled))).toBe('replay 200 "the beginning and the end"')
    expect(describeEntry(await b.engine.enter(strange))).toBe('refused KEY_REUSED')
  })

  it('keeps a caller from its answer for a second at most', async () => {
    const attempt = await enterRun(a.engine, { canonical: slow })
    await attempt.begin()
    const completing = runPlain(attempt, 'answer')
    await time.advance(999)
    expect(await now(completing)).toBe('pending')
    await time.advance(1)
    expect(await now(completing)).toBe('sealed')
    expect(faulty.count('complete')).toBe(0)
    make(fingerprintOf('canonical-1'))
    await time.advance(0)
    expect(faulty.count('complete')).toBe(1)
  })

  it('is noted as soon as it is there, for those who wait for it', async () => {
    const attempt = await enterRun(a.engine, { canonical: slow })
    await attempt.begin()
    const other = b.engine.enter(strange)
    await time.advance(3_000)
    expect(faulty.count('renew')).toBe(0)
    expect(await now(other)).toBe('pending')
    make(fingerprintOf('canonical-1'))
    await time.advance(0)
    expect(faulty.count('renew')).toBe(1)
    expect(describeEntry(await now(other))).toBe('refused KEY_REUSED')
  })

  it('is waited for by the release of an attempt that counts', async () => {
    const attempt = await enterRun(a.engine, { canonical: slow })
    await attempt.begin()
    const releasing = attempt.release('broken')
    await time.advance(100)
    expect(faulty.count('release')).toBe(0)
    make(fingerprintOf('canonical-1'))
    await releasing
    expect(describeEntry(await b.engine.enter(strange))).toBe('refused KEY_REUSED')
    expect(describeEntry(await b.engine.enter(respelled))).toBe('run')
  })

  it('that cannot be made does not keep the outcome from being recorded', async () => {
    const attempt = await enterRun(a.engine, { canonical: slow })
    await attempt.begin()
    const completing = runPlain(attempt, 'answer')
    fail(new Error('the worker died'))
    expect(await now(completing)).toBe('sealed')
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "answer"')
    expect(describeEntry(await b.engine.enter(respelled))).toBe('refused KEY_REUSED')
  })
})

describe('a canonical fingerprint that goes first', () => {
  it('is there when another spelling comes: one claim is enough', async () => {
    const attempt = await enterRun(a.engine, { canonicalFirst: true })
    await attempt.begin()
    await runPlain(attempt, 'answer')
    const again = await a.engine.enter({ ...respelled, canonicalFirst: true })
    expect(describeEntry(again)).toBe('replay 200 "answer"')
    expect(faulty.count('claim')).toBe(2)
  })

  it('refuses another payload at once, before anything was noted', async () => {
    await enterRun(a.engine, { canonicalFirst: true })
    expect(describeEntry(await now(b.engine.enter({ ...strange, canonicalFirst: true })))).toBe('refused KEY_REUSED')
    expect(faulty.count('renew')).toBe(0)
  })

  it('claims nothing for a caller that left meanwhile, also where it will never be there', async () => {
    const leave = new AbortController()
    const gone = (canonical: () => Promise<Fingerprint>): Promise<Entry> =>
      a.engine.enter(callOf({ canonical, canonicalFirst: true, signal: leave.signal }))
    const entering = [
      gone(slow),
      gone(() => new Promise((_, reject) => leave.signal.addEventListener('abort', reject))),
    ]
    leave.abort()
    make(fingerprintOf('canonical-1'))
    expect((await Promise.all(entering)).map(describeEntry)).toEqual(['left', 'left'])
    expect(faulty.count('claim')).toBe(0)
  })

  it('refuses a call that has none, with the reason', async () => {
    const entering = a.engine.enter(callOf({ canonical: slow, canonicalFirst: true }))
    fail(new Error('none to be had'))
    await expect(entering).rejects.toThrow('none to be had')
    expect(faulty.count('claim')).toBe(0)
  })

  it('does not count its own time against the lease', async () => {
    const entering = a.engine.enter(callOf({ canonical: slow, canonicalFirst: true }))
    await time.advance(40_000)
    make(fingerprintOf('canonical-1'))
    const entry = await now(entering)
    if (entry === 'pending' || entry.kind !== 'run') throw new Error(describeEntry(entry))
    expect(await entry.attempt.begin()).toBe('go')
    expect(faulty.count('renew')).toBe(0)
  })
})
