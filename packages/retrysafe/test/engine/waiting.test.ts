import { beforeEach, describe, expect, it } from 'vitest'
import type { Entry } from '../../src/engine/claim.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import {
  callOf,
  describe as describeEntry,
  enterRun,
  followerOf,
  type ManualEngine,
  okHead,
  openManualEngine,
  readAll,
  runOf,
  runPlain,
} from '../support/engines.ts'
import { type FaultyStore, faultyStore, gate } from '../support/faulty-store.ts'
import { ManualTime, now } from '../support/manual-time.ts'
import { keyOf } from '../support/store-terms.ts'

let time: ManualTime
let faulty: FaultyStore
let a: ManualEngine
let b: ManualEngine
beforeEach(async () => {
  time = new ManualTime()
  const store = memoryStore({ clock: time.clock })
  faulty = faultyStore(store)
  a = await openManualEngine(time, store, { seed: 1, maxWaiters: 3 })
  b = await openManualEngine(time, faulty.store, { seed: 2, maxWaiters: 3 })
})

const engines = () =>
  [
    ['the same process', a],
    ['another process', b],
  ] as const

async function kindsOf(entries: readonly Promise<Entry>[]): Promise<string[]> {
  return Promise.all(entries.map(async entry => describeEntry(await now(entry))))
}

describe('the wait', () => {
  it('is bounded, and then a 409 that says when to come again', async () => {
    await enterRun(a.engine)
    for (const [where, { engine }] of engines()) {
      const entry = engine.enter(callOf({ waitMs: 5_000 }))
      await time.advance(4_999)
      expect(await now(entry), where).toBe('pending')
      await time.advance(1)
      expect(await now(entry), where).toEqual({
        kind: 'refused',
        refusal: { code: 'IN_FLIGHT', reason: 'wait over', retryAfterMs: 1_000 },
      })
    }
  })

  it('is refused at once at 0', async () => {
    await enterRun(a.engine)
    for (const [, { engine }] of engines()) {
      expect(describeEntry(await now(engine.enter(callOf({ waitMs: 0 }))))).toBe('refused IN_FLIGHT wait over')
    }
  })

  it('counts all that a call waited for, not each part anew', async () => {
    const first = await enterRun(a.engine)
    const waiting = engines().map(([, { engine }]) => engine.enter(callOf({ waitMs: 5_000 })))
    await time.advance(3_000)
    // Both steps reach the store before any waiter is awake: the next run is not theirs.
    const released = first.release('failed')
    const second = enterRun(a.engine)
    await Promise.all([released, second])
    await time.advance(1_999)
    expect(await kindsOf(waiting)).toEqual(['pending', 'pending'])
    await time.advance(1)
    expect(await kindsOf(waiting)).toEqual(['refused IN_FLIGHT wait over', 'refused IN_FLIGHT wait over'])
  })

  it('does not bound a stream that has begun', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    await time.advance(250)
    const followers = await Promise.all(engines().map(([, { engine }]) => engine.enter(callOf({ waitMs: 1_000 }))))
    await time.advance(60_000)
    attempt.recording.write(Buffer.from('late'))
    await attempt.complete()
    await time.advance(1_000)
    for (const entry of followers) expect(await readAll(followerOf(entry))).toEqual({ text: 'late', ending: 'end' })
  })

  it('takes so many and no more, and a place comes back with each that leaves', async () => {
    await enterRun(a.engine)
    for (const [, { engine }] of engines()) {
      const leaving = new AbortController()
      const first = engine.enter(callOf({ signal: leaving.signal }))
      const rest = [engine.enter(callOf()), engine.enter(callOf())]
      await time.advance(10)
      expect(await kindsOf([first, ...rest])).toEqual(['pending', 'pending', 'pending'])
      expect(describeEntry(await now(engine.enter(callOf())))).toBe('refused IN_FLIGHT too many waiters')
      leaving.abort()
      expect(await now(first)).toEqual({ kind: 'left' })
      const next = engine.enter(callOf())
      await time.advance(10)
      expect(await now(next)).toBe('pending')
      expect(describeEntry(await now(engine.enter(callOf())))).toBe('refused IN_FLIGHT too many waiters')
    }
  })

  it('leaves no timer and no subscription behind when its caller has left', async () => {
    const attempt = await enterRun(a.engine)
    for (const [where, { engine }] of engines()) {
      const timers = time.waitingTimers
      const leaving = new AbortController()
      const entry = engine.enter(callOf({ signal: leaving.signal }))
      await time.advance(10)
      expect(await now(entry)).toBe('pending')
      leaving.abort()
      expect(await now(entry), where).toEqual({ kind: 'left' })
      expect(time.waitingTimers, where).toBe(timers)
      expect(await faulty.store.renew(keyOf('k'), attempt.token, { leaseMs: 30_000 })).toMatchObject({
        followed: false,
      })
    }
  })

  it.each(['the same process', 'another process'])(
    'ends at once for a caller that left while its claim was on its way (the run is in %s)',
    async where => {
      if (where === 'the same process') await enterRun(b.engine)
      else await enterRun(a.engine)
      const reply = gate()
      faulty.next('claim', { kind: 'hold reply', until: reply.until })
      const leaving = new AbortController()
      const entry = b.engine.enter(callOf({ signal: leaving.signal }))
      leaving.abort()
      reply.open()
      expect(await now(entry)).toEqual({ kind: 'left' })
    },
  )

  it('ends for a caller that left during a cooldown', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.release('failed', { cooldownMs: 60_000 })
    const leaving = new AbortController()
    const entry = b.engine.enter(callOf({ signal: leaving.signal }))
    await time.advance(10)
    leaving.abort()
    expect(await now(entry)).toEqual({ kind: 'left' })
  })
})

describe('after a failed run', () => {
  it('each waiter claims at most once more, after the cooldown; a second failure is a 409', async () => {
    const first = await enterRun(a.engine)
    const waiting = [
      a.engine.enter(callOf()),
      a.engine.enter(callOf()),
      b.engine.enter(callOf()),
      b.engine.enter(callOf()),
    ]
    await time.advance(100)
    await first.release('failed', { cooldownMs: 400 })
    await time.advance(399)
    expect(await kindsOf(waiting)).toEqual(['pending', 'pending', 'pending', 'pending'])
    await time.advance(200)
    const kinds = await kindsOf(waiting)
    expect(kinds.filter(kind => kind === 'run')).toHaveLength(1)
    expect(kinds.filter(kind => kind === 'pending')).toHaveLength(3)
    const at = kinds.indexOf('run')
    const second = runOf(await now(waiting[at] ?? waiting[0] ?? Promise.reject(new Error('no run'))))
    expect(second.number).toBe(1)
    await second.release('failed', { cooldownMs: 2_500 })
    await time.advance(300)
    for (const [index, entry] of waiting.entries()) {
      if (index === at) continue
      expect(await now(entry)).toMatchObject({
        kind: 'refused',
        refusal: { code: 'IN_FLIGHT', reason: 'failed again', retryAfterMs: expect.any(Number) },
      })
    }
  })

  it.each(['free', 'failed'] as const)(
    'refuses after a second failure also when the key is free at once (%s)',
    async end => {
      const first = await enterRun(a.engine)
      const waiting = a.engine.enter(callOf())
      await time.advance(100)
      // Each next run reaches the store before the waiter is awake.
      const second = first.release(end).then(() => undefined)
      const running = enterRun(a.engine)
      await second
      await time.advance(200)
      expect(await now(waiting)).toBe('pending')
      const third = (await running).release(end)
      const last = enterRun(a.engine)
      await third
      await time.advance(200)
      expect(describeEntry(await now(waiting))).toBe('refused IN_FLIGHT failed again')
      await (await last).release('free')
    },
  )

  it('lets nobody ask the store again and again while the key rests', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.release('failed', { cooldownMs: 10_000 })
    const waiting = b.engine.enter(callOf())
    await time.advance(9_999)
    expect(await now(waiting)).toBe('pending')
    expect(faulty.count('claim')).toBe(1)
    await time.advance(1)
    expect(describeEntry(await now(waiting))).toBe('run')
    expect(faulty.count('claim')).toBe(2)
  })

  it.each(['here', 'elsewhere'])("tells a second failure's cooldown, as far as it is left: %s", async where => {
    const first = await enterRun(a.engine)
    const other = where === 'here' ? a : b
    const waiting = [a.engine.enter(callOf()), other.engine.enter(callOf())]
    await time.advance(100)
    await first.release('failed', { cooldownMs: 100 })
    await time.advance(300)
    const kinds = await kindsOf(waiting)
    expect([...kinds].sort()).toEqual(['pending', 'run'])
    const [runner, waiter] = kinds[0] === 'run' ? waiting : [...waiting].reverse()
    if (runner === undefined || waiter === undefined) throw new Error('there were two')
    await runOf(await runner).release('failed', { cooldownMs: 20_000 })
    await time.advance(300)
    const refused = await now(waiter)
    expect(describeEntry(refused)).toBe('refused IN_FLIGHT failed again')
    expect(refused).toMatchObject({ refusal: { retryAfterMs: expect.any(Number) } })
    const { retryAfterMs } = Object(Object(refused).refusal)
    expect(retryAfterMs).toBeGreaterThanOrEqual(19_500)
    expect(retryAfterMs).toBeLessThanOrEqual(20_000)
  })

  it('joins the one that runs after the cooldown', async () => {
    const first = await enterRun(a.engine)
    const waiting = [a.engine.enter(callOf()), b.engine.enter(callOf())]
    await time.advance(100)
    await first.release('failed', { cooldownMs: 400 })
    await time.advance(600)
    const kinds = await kindsOf(waiting)
    const at = kinds.indexOf('run')
    const runner = waiting[at]
    const other = waiting[1 - at]
    if (runner === undefined || other === undefined) throw new Error(`nobody runs: ${kinds.join()}`)
    await runPlain(runOf(await now(runner)), 'second')
    await time.advance(500)
    const joined = await now(other)
    expect(describeEntry(joined)).toMatch(/^(follow|replay 200 "second")$/)
  })

  it('refuses at once when the cooldown is longer than the wait, and says how long', async () => {
    const attempt = await enterRun(a.engine)
    await attempt.release('failed', { cooldownMs: 30_000 })
    for (const [, { engine }] of engines()) {
      expect(await now(engine.enter(callOf({ waitMs: 29_999 })))).toEqual({
        kind: 'refused',
        refusal: { code: 'IN_FLIGHT', reason: 'cooling', retryAfterMs: 30_000 },
      })
    }
    const patient = b.engine.enter(callOf({ waitMs: 30_000 }))
    await time.advance(30_000)
    expect(describeEntry(await now(patient))).toBe('run')
  })

  it('is not counted when the run was free: the next waiter just runs', async () => {
    const first = await enterRun(a.engine)
    const waiting = b.engine.enter(callOf())
    await time.advance(100)
    await first.release('free')
    await time.advance(200)
    expect(describeEntry(await now(waiting))).toBe('run')
  })

  it('is told to waiters as unknown under fail', async () => {
    const first = await enterRun(a.engine, { onCrash: 'fail' })
    await first.begin()
    const waiting = engines().map(([, { engine }]) => engine.enter(callOf({ onCrash: 'fail' })))
    await time.advance(100)
    await first.release('broken')
    await time.advance(200)
    expect(await kindsOf(waiting)).toEqual(['refused OUTCOME_UNKNOWN', 'refused OUTCOME_UNKNOWN'])
  })
})

describe('a store out of reach', () => {
  it('begins nothing', async () => {
    faulty.always('claim', { kind: 'reject' })
    await expect(b.engine.enter(callOf())).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(b.engine.running).toBe(0)
  })

  it('does not shut the key for half a minute when only the answer of the claim was lost', async () => {
    faulty.next('claim', { kind: 'lose reply' })
    const first = await b.engine.enter(callOf()).then(describeEntry, () => 'rejected')
    if (first === 'run') return
    const again = b.engine.enter(callOf({ waitMs: 1_000 }))
    await time.advance(1_000)
    expect(describeEntry(await now(again))).toBe('run')
  })
})
