import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { followRecording } from '../../src/engine/follower.ts'
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
  runPlain,
} from '../support/engines.ts'
import { faultyStore, gate } from '../support/faulty-store.ts'
import { ManualTime, now, seededRandom, settle } from '../support/manual-time.ts'
import { fingerprintOf, keyOf, textOf } from '../support/store-terms.ts'

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

describe('enter', () => {
  it('runs once, and replays to everybody after', async () => {
    const attempt = await enterRun(a.engine)
    expect(await attempt.begin()).toBe('go')
    expect(await runPlain(attempt, 'answer')).toBe('sealed')
    for (const { engine } of [a, b]) {
      const entry = await engine.enter(callOf())
      expect(describeEntry(entry)).toBe('replay 200 "answer"')
      expect(entry).toMatchObject({
        joined: false,
        replay: { head: okHead, lengthBytes: 6, ageMs: 0, fence: attempt.token.fence },
      })
    }
    time.jump(2_500)
    expect(await b.engine.enter(callOf())).toMatchObject({ replay: { ageMs: 2_500 } })
  })

  it('replays a large outcome piece by piece', async () => {
    const attempt = await enterRun(a.engine)
    const text = 'x'.repeat(100_000) + 'y'.repeat(100_000)
    await runPlain(attempt, text)
    const entry = await b.engine.enter(callOf())
    if (entry.kind !== 'replay' || entry.replay.body.kind !== 'pieces') throw new Error(describeEntry(entry))
    expect(entry.replay.lengthBytes).toBe(200_000)
    const read = await readAll(entry.replay.body.follower)
    expect(read.ending).toBe('end')
    expect(read.text === text).toBe(true)
  })

  it('replays an empty answer', async () => {
    await runPlain(await enterRun(a.engine), '')
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 ""')
  })

  it('refuses another payload, before and after the end', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.begin()
    const strange = callOf({ raw: fingerprintOf('raw-2'), canonical: () => fingerprintOf('canonical-2') })
    const early = b.engine.enter(strange)
    await time.advance(250)
    expect(describeEntry(await now(early))).toBe('refused KEY_REUSED')
    await runPlain(attempt, 'answer')
    expect(describeEntry(await b.engine.enter(strange))).toBe('refused KEY_REUSED')
    expect(describeEntry(await a.engine.enter(strange))).toBe('refused KEY_REUSED')
  })

  it('keeps two keys apart', async () => {
    const one = await enterRun(a.engine)
    const two = await enterRun(a.engine, { key: keyOf('k2') })
    await runPlain(one, 'one')
    await runPlain(two, 'two')
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('replay 200 "one"')
    expect(describeEntry(await b.engine.enter(callOf({ key: keyOf('k2') })))).toBe('replay 200 "two"')
  })
})

describe('a plain answer', () => {
  it('is shown to nobody before it is sealed, then to all who wait, here and elsewhere', async () => {
    const attempt = await enterRun(a.engine)
    const here = a.engine.enter(callOf())
    const elsewhere = b.engine.enter(callOf())
    attempt.recording.open(okHead)
    attempt.recording.write(Buffer.from('answer'))
    await time.advance(5_000)
    expect(await now(here)).toBe('pending')
    expect(await now(elsewhere)).toBe('pending')
    expect(await attempt.complete()).toBe('sealed')
    expect(await readAll(followerOf(await now(here)))).toEqual({ text: 'answer', ending: 'end' })
    await time.advance(200)
    const other = await now(elsewhere)
    expect(await readAll(followerOf(other))).toEqual({ text: 'answer', ending: 'end' })
  })
})

describe('a stream', () => {
  it('gives a joiner of the same process the prefix at once, then the tail', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('one '))
    const follower = await enterFollow(a.engine)
    expect(await follower.next()).toMatchObject({ kind: 'bytes', bytes: Buffer.from('one ') })
    const next = follower.next()
    expect(await now(next)).toBe('pending')
    attempt.recording.write(Buffer.from('two'))
    expect(textOf(((await now(next)) as { bytes: Uint8Array }).bytes)).toBe('two')
    const end = follower.next()
    expect(await now(end)).toBe('pending')
    await attempt.complete()
    expect(await end).toEqual({ kind: 'end' })
  })

  it('gives a joiner of another process what was appended, then the tail within 10 ms and a poll', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('one '))
    await time.advance(250)
    const follower = await enterFollow(b.engine)
    expect(textOf(((await follower.next()) as { bytes: Uint8Array }).bytes)).toBe('one ')
    // The owner learns with its next write that it is followed; from then on it appends every 10 ms.
    attempt.recording.write(Buffer.from('two '))
    await time.advance(250)
    expect(textOf(((await follower.next()) as { bytes: Uint8Array }).bytes)).toBe('two ')
    const next = follower.next()
    attempt.recording.write(Buffer.from('three'))
    await time.advance(10)
    expect(textOf(((await now(next)) as { bytes: Uint8Array }).bytes)).toBe('three')
    await attempt.complete()
    expect(await follower.next()).toEqual({ kind: 'end' })
    follower.close()
  })

  it('is read whole by a first reader and by joiners at any pace, out of any chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.constantFrom('write', 'read here', 'read there', 'read first', 'pass', 'join'), { maxLength: 40 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        async (sizes, plan, seed) => {
          const random = seededRandom(seed)
          const clock = new ManualTime()
          const shared = memoryStore({ clock: clock.clock })
          const one = await openManualEngine(clock, shared, { seed })
          const two = await openManualEngine(clock, shared, { seed: seed + 1 })
          const attempt = await enterRun(one.engine)
          attempt.recording.open(okHead)
          attempt.recording.goLive()
          const first = followRecording(attempt.recording, okHead, true)
          const whole: Uint8Array[] = []
          const write = (): void => {
            const size = sizes[whole.length]
            if (size === undefined) return
            const chunk = Buffer.from(random.bytes(size))
            whole.push(chunk)
            attempt.recording.write(chunk)
          }
          const here = await enterFollow(one.engine)
          await clock.advance(250)
          const there = await enterFollow(two.engine)
          const readers = [first, here, there]
          const got: Uint8Array[][] = readers.map(() => [])
          const waiting: (Promise<void> | undefined)[] = readers.map(() => undefined)
          const ended: (string | undefined)[] = readers.map(() => undefined)
          const read = async (at: number): Promise<void> => {
            if (waiting[at] === undefined) {
              waiting[at] = readers[at]?.next().then(step => {
                waiting[at] = undefined
                if (step.kind === 'bytes') got[at]?.push(step.bytes)
                else ended[at] = step.kind
              })
            }
            await settle()
          }
          for (const act of plan) {
            if (act === 'write') write()
            if (act === 'read first') await read(0)
            if (act === 'read here') await read(1)
            if (act === 'read there') await read(2)
            if (act === 'pass') await clock.advance(50)
          }
          while (whole.length < sizes.length) write()
          await clock.advance(1_000)
          expect(ended).toEqual([undefined, undefined, undefined])
          await attempt.complete()
          await clock.advance(1_000)
          const expected = Buffer.concat(whole)
          for (const [at, reader] of readers.entries()) {
            await waiting[at]
            while (ended[at] === undefined) {
              const step = await reader.next()
              if (step.kind === 'bytes') got[at]?.push(step.bytes)
              else ended[at] = step.kind
            }
            expect(ended[at]).toBe('end')
            expect(Buffer.concat(got[at] ?? []).equals(expected)).toBe(true)
          }
          const replay = await two.engine.enter(callOf())
          expect(replay).toMatchObject({ kind: 'replay', replay: { lengthBytes: expected.byteLength } })
        },
      ),
      { numRuns: 40 },
    )
  })

  it('serves a slow reader from the store once it has left the window, and never slows the writer', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    const slow = await enterFollow(a.engine)
    const chunks = Array.from({ length: 40 }, (_, at) => Buffer.alloc(5_000, 65 + at))
    for (const chunk of chunks) {
      expect(attempt.recording.write(chunk)).toBe(true)
      await time.advance(250)
    }
    expect(attempt.recording.tail.startBytes).toBeGreaterThan(150_000)
    await attempt.complete()
    const read = await readAll(slow)
    expect(read.ending).toBe('end')
    expect(read.text === Buffer.concat(chunks).toString()).toBe(true)
  })

  it('breaks its readers when the run gave no outcome, here and elsewhere', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('half'))
    await time.advance(250)
    const here = await enterFollow(a.engine)
    const there = await enterFollow(b.engine)
    await attempt.release('broken')
    expect(await readAll(here)).toEqual({ text: 'half', ending: 'broken' })
    expect((await readAll(there)).ending).toBe('broken')
  })

  it('ends for its readers here when the answer was whole and said itself that it failed', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('data: {"error":{}}'))
    const here = await enterFollow(a.engine)
    await attempt.release('failed', { whole: true })
    expect(await readAll(here)).toEqual({ text: 'data: {"error":{}}', ending: 'end' })
  })

  it.each([
    ['end', true],
    ['broken', false],
  ] as const)(
    'shows its readers the end (%s) a second later where the store does not answer',
    async (ending, whole) => {
      const faulty = faultyStore(store)
      const c = await openManualEngine(time, faulty.store, { seed: 3 })
      const attempt = await enterRun(c.engine)
      attempt.recording.open(okHead)
      attempt.recording.goLive()
      attempt.recording.write(Buffer.from('an error'))
      attempt.recording.hold(0)
      const reading = readAll(await enterFollow(c.engine))
      faulty.next('release', { kind: 'hold reply', until: gate().until })
      void attempt.release('failed', { whole })
      await time.advance(999)
      expect(await now(reading)).toBe('pending')
      await time.advance(1)
      expect(await now(reading)).toEqual({ text: whole ? 'an error' : '', ending })
    },
  )

  it.each(['plain', 'stream'])(
    'has all of a run (%s) whose claim it saw before its owner did, whatever the store takes',
    async kind => {
      const faulty = faultyStore(store)
      const c = await openManualEngine(time, faulty.store, { seed: 3 })
      const acknowledged = gate()
      faulty.next('claim', { kind: 'hold reply', until: acknowledged.until })
      const running = enterRun(c.engine)
      await settle()
      const entering = c.engine.enter(callOf())
      expect(await now(entering)).toBe('pending')
      acknowledged.open()
      const attempt = await running
      attempt.recording.open(okHead)
      if (kind === 'stream') {
        attempt.recording.goLive()
        attempt.recording.write(Buffer.from('the beginning'))
        await time.advance(5_000)
      }
      for (const method of ['append', 'complete'] as const) faulty.always(method, { kind: 'reject' })
      attempt.recording.write(Buffer.from(', the rest'))
      void attempt.complete()
      await time.advance(5_000)
      const reading = readAll(followerOf(await now(entering)))
      expect(await now(reading)).toEqual({
        text: kind === 'stream' ? 'the beginning, the rest' : ', the rest',
        ending: 'end',
      })
    },
  )

  it('still ends whole when an append overtakes the answer of the release', async () => {
    const faulty = faultyStore(store)
    const c = await openManualEngine(time, faulty.store, { seed: 3 })
    const attempt = await enterRun(c.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('data: {"error":{}}'))
    const here = await enterFollow(c.engine)
    const reply = gate()
    faulty.next('release', { kind: 'hold reply', until: reply.until })
    const released = attempt.release('failed', { whole: true })
    await time.advance(300)
    reply.open()
    await released
    expect(await readAll(here)).toEqual({ text: 'data: {"error":{}}', ending: 'end' })
  })
})

describe('a follower from another process', () => {
  it('does not keep asking once it was closed while it waited', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    await time.advance(250)
    const follower = await enterFollow(b.engine)
    const next = follower.next()
    expect(await now(next)).toBe('pending')
    const timers = time.waitingTimers
    follower.close()
    expect(await now(next)).toEqual({ kind: 'broken' })
    expect(time.waitingTimers).toBe(timers - 1)
    expect(await store.renew(keyOf('k'), attempt.token, { leaseMs: 30_000 })).toMatchObject({ followed: false })
  })

  it('wakes by itself when every hint is lost', async () => {
    const deaf: Store = { ...store, subscribe: () => ({ close: () => {} }) }
    const c = await openManualEngine(time, deaf, { seed: 3 })
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    await time.advance(250)
    const follower = await enterFollow(c.engine)
    const next = follower.next()
    attempt.recording.write(Buffer.from('x'))
    await time.advance(250)
    expect(await now(next)).toBe('pending')
    await time.advance(150)
    expect(await now(next)).toMatchObject({ kind: 'bytes' })
  })
})
