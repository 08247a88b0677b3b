import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { RetrysafeError } from '../../src/engine/errors.ts'
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
} from '../support/engines.ts'
import { type Fault, type FaultyStore, faultyStore, gate } from '../support/faulty-store.ts'
import { ManualTime, now } from '../support/manual-time.ts'

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

describe('appending', () => {
  it('comes every 250 ms, at 16 KiB, and one at a time', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('x'))
    await time.advance(249)
    expect(faulty.count('append')).toBe(0)
    await time.advance(1)
    expect(faulty.count('append')).toBe(1)
    attempt.recording.write(Buffer.alloc(16_383))
    await time.advance(1)
    expect(faulty.count('append')).toBe(1)
    const reply = gate()
    faulty.next('append', { kind: 'hold reply', until: reply.until })
    attempt.recording.write(Buffer.alloc(1))
    await time.advance(1)
    expect(faulty.count('append')).toBe(2)
    attempt.recording.write(Buffer.alloc(100_000))
    await time.advance(10_000)
    expect(faulty.count('append')).toBe(2)
    reply.open()
    await time.advance(0)
    expect(faulty.count('append')).toBe(3)
  })

  it('appends nothing when there is nothing', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    await time.advance(20_000)
    expect(faulty.count('append')).toBe(1)
  })

  it('loses no byte when appends fail and then succeed', async () => {
    faulty.next('append', { kind: 'reject' }, { kind: 'reject' })
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('one '))
    await time.advance(250)
    attempt.recording.write(Buffer.from('two '))
    await time.advance(1_000)
    expect(faulty.count('append')).toBe(2)
    await time.advance(1_000)
    expect(faulty.count('append')).toBe(3)
    const there = await enterFollow(b.engine)
    attempt.recording.write(Buffer.from('three'))
    await time.advance(250)
    await attempt.complete()
    expect(await readAll(there)).toEqual({ text: 'one two three', ending: 'end' })
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "one two three"')
  })

  it('doubles no byte when the answer of an append was lost', async () => {
    faulty.next('append', { kind: 'lose reply' })
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('one '))
    await time.advance(250)
    const there = await enterFollow(b.engine)
    attempt.recording.write(Buffer.from('two '))
    await time.advance(1_000)
    attempt.recording.write(Buffer.from('three'))
    await time.advance(250)
    await attempt.complete()
    expect(await readAll(there)).toEqual({ text: 'one two three', ending: 'end' })
  })

  it('doubles no byte when the answer was lost and nothing was added', async () => {
    faulty.next('append', { kind: 'lose reply' }, { kind: 'lose reply' })
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('one'))
    await time.advance(5_000)
    await attempt.complete()
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "one"')
  })

  it('seals rightly when the answer of the last append was lost', async () => {
    faulty.next('append', { kind: 'lose reply' })
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('one '))
    await time.advance(250)
    attempt.recording.write(Buffer.from('two'))
    await attempt.complete()
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "one two"')
  })

  it.each([
    ['sends it again when the store has forgotten what is still here', 4, 'replay 200 "one two"'],
    ['keeps the result out when the store has forgotten what is not here any more', 40_000, 'refused RESULT_NOT_KEPT'],
  ])('%s', async (_, forgottenBytes, expected) => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    if (forgottenBytes === 4) attempt.recording.write(Buffer.from('one '))
    else for (let at = 0; at < 4; at++) attempt.recording.write(Buffer.alloc(forgottenBytes / 4, 0x20))
    await time.advance(250)
    faulty.next('append', { kind: 'answer', answer: { kind: 'gap', lengthBytes: 0 } })
    attempt.recording.write(Buffer.from('two'))
    await time.advance(250)
    expect(await attempt.complete()).toBe('sealed')
    expect(describeEntry(await b.engine.enter(callOf()))).toBe(expected)
  })

  it.each(['append', 'complete'] as const)('keeps out what the store will never take: %s', async method => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    const answer = Promise.reject(new RetrysafeError('REQUEST_INVALID', 'too large'))
    answer.catch(() => {})
    // All of it is offered once more before it is left out.
    faulty.next(
      method,
      { kind: 'answer', answer },
      ...(method === 'complete' ? [{ kind: 'answer', answer } as const] : []),
    )
    attempt.recording.write(Buffer.from('large'))
    await time.advance(250)
    expect(await attempt.complete()).toBe('sealed')
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('refused RESULT_NOT_KEPT')
  })

  it('breaks the stream at once when it learns that the record is lost', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('old'))
    const here = await enterFollow(a.engine)
    time.jump(32_000)
    await enterRun(b.engine)
    attempt.recording.write(Buffer.alloc(20_000, 0x20))
    await time.advance(0)
    expect(attempt.isStopped).toBe(true)
    expect((await readAll(here)).ending).toBe('broken')
    expect(a.engine.running).toBe(0)
  })

  it('gives every follower the same bytes whatever happens to the appends', async () => {
    const fault = fc.constantFrom<Fault | undefined>(undefined, undefined, { kind: 'reject' }, { kind: 'lose reply' })
    const piece = fc.record({ size: fc.integer({ min: 1, max: 40_000 }), waitMs: fc.constantFrom(0, 10, 250, 1_000) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 8 }),
        fc.array(fault, { maxLength: 12 }),
        async (pieces, faults) => {
          const clock = new ManualTime()
          const shared = memoryStore({ clock: clock.clock })
          const weak = faultyStore(shared)
          const one = await openManualEngine(clock, weak.store, { seed: 1 })
          const two = await openManualEngine(clock, shared, { seed: 2 })
          const attempt = await enterRun(one.engine)
          for (const next of faults) weak.next('append', next ?? { kind: 'hold', until: Promise.resolve() })
          attempt.recording.open(okHead)
          attempt.recording.goLive()
          const here = await enterFollow(one.engine)
          const joining = two.engine.enter(callOf())
          const parts: Buffer[] = []
          for (const [at, { size, waitMs }] of pieces.entries()) {
            const bytes = Buffer.alloc(size, at + 1)
            parts.push(bytes)
            attempt.recording.write(bytes)
            await clock.advance(waitMs)
          }
          const sealed = attempt.complete()
          await clock.advance(30_000)
          expect(await now(sealed)).toBe('sealed')
          const whole = Buffer.concat(parts).toString('latin1')
          const joined = await joining
          if (joined.kind !== 'follow') throw new Error(describeEntry(joined))
          expect((await readAll(here)).text === whole).toBe(true)
          const there = await readAll(joined.follower)
          expect(there.ending).toBe('end')
          expect(there.text === whole).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })
})
