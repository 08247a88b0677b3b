import { describe, expect, test } from 'vitest'
import { ManualTime } from '../../../retrysafe/test/support/manual-time.ts'
import { type Stay, Stays } from '../../src/proxy/keyless/stays.ts'

const here = new AbortController().signal

/** A call that stays until it is abandoned; it leaves then, as if its client had. */
function stayOf(pairKey: string, abandonedAtMs = Number.POSITIVE_INFINITY): Stay & { isLeaving: boolean } {
  return {
    abandonedAtMs,
    isLeaving: false,
    pairKey: async () => pairKey,
    abandon() {
      this.isLeaving = true
    },
  }
}

/** What `promise` has come to, if it has come to anything. */
async function soFar<Value>(promise: Promise<Value>): Promise<Value | 'waits'> {
  return Promise.race([promise, new Promise<'waits'>(resolve => setImmediate(resolve, 'waits'))])
}

describe('a retry that looks for the call that its client left', () => {
  test('waits for nobody where nobody stays', async () => {
    const time = new ManualTime()
    const stays = new Stays(time.clock, time.process().surroundings.timers)
    expect(await stays.nextOffer('place', 'pair', time.clock.monotonicMs(), here)).toBe(false)
  })

  test('waits 250 ms for a disconnect, and no longer', async () => {
    const time = new ManualTime()
    const stays = new Stays(time.clock, time.process().surroundings.timers)
    stays.add('place', stayOf('pair'))
    const looking = stays.nextOffer('place', 'pair', time.clock.monotonicMs(), here)
    await time.advance(249)
    expect(await soFar(looking)).toBe('waits')
    await time.advance(1)
    expect(await looking).toBe(false)
  })

  test('waits longer, but not for ever, for one that is leaving', async () => {
    const time = new ManualTime()
    const stays = new Stays(time.clock, time.process().surroundings.timers)
    stays.add('place', { ...stayOf('pair'), isLeaving: true })
    const looking = stays.nextOffer('place', 'pair', time.clock.monotonicMs(), here)
    await time.advance(1_999)
    expect(await soFar(looking)).toBe('waits')
    await time.advance(1)
    expect(await looking).toBe(false)
  })

  test('is told of an offer of its own call, once, and of nobody else’s', async () => {
    const time = new ManualTime()
    const stays = new Stays(time.clock, time.process().surroundings.timers)
    stays.add('place', stayOf('pair'))
    const sinceMs = time.clock.monotonicMs()
    const looking = ['pair', 'pair', 'other'].map(pairKey => stays.nextOffer('place', pairKey, sinceMs, here))
    await time.advance(0)
    stays.offered('place', 'pair')
    expect(await Promise.all(looking.map(soFar))).toEqual([true, 'waits', 'waits'])
    await time.advance(250)
    expect(await Promise.all(looking)).toEqual([true, false, false])
  })

  test('need not wait any more when the last one has had its answer', async () => {
    const time = new ManualTime()
    const stays = new Stays(time.clock, time.process().surroundings.timers)
    const stay = stayOf('pair')
    stays.add('place', stay)
    const looking = stays.nextOffer('place', 'pair', time.clock.monotonicMs(), here)
    await time.advance(0)
    stays.remove('place', stay)
    // It looks once more: that one may have been offered.
    expect(await looking).toBe(true)
    expect(time.waitingTimers).toBe(0)
  })

  test('ends with its own client', async () => {
    const time = new ManualTime()
    const stays = new Stays(time.clock, time.process().surroundings.timers)
    stays.add('place', stayOf('pair'))
    const leave = new AbortController()
    const looking = stays.nextOffer('place', 'pair', time.clock.monotonicMs(), leave.signal)
    await time.advance(0)
    leave.abort()
    expect(await looking).toBe(false)
    expect(time.waitingTimers).toBe(0)
  })
})

describe('a call whose own time-out is over', () => {
  test('counts as left at its time, and not before; the oldest one, and only the same call', async () => {
    const time = new ManualTime()
    const stays = new Stays(time.clock, time.process().surroundings.timers)
    const nowMs = time.clock.monotonicMs()
    const [other, oldest, younger] = [stayOf('other', nowMs), stayOf('pair', nowMs + 700), stayOf('pair', nowMs + 700)]
    for (const stay of [other, oldest, younger]) stays.add('place', stay)
    void stays.nextOffer('place', 'pair', nowMs, here)
    await time.advance(699)
    expect([other, oldest, younger].map(stay => stay.isLeaving)).toEqual([false, false, false])
    await time.advance(60)
    expect([other, oldest, younger].map(stay => stay.isLeaving)).toEqual([false, true, false])
  })

  test('is not missed by a timer that is early', async () => {
    const time = new ManualTime()
    const { timers } = time.process().surroundings
    const early = { after: (delayMs: number, run: () => void) => timers.after(Math.max(0, delayMs - 1), run) }
    let readings = 0
    // Time goes on while the program runs.
    const clock = { ...time.clock, monotonicMs: () => time.clock.monotonicMs() + 0.6 * readings++ }
    const stays = new Stays(clock, early)
    const sinceMs = clock.monotonicMs()
    const stay = stayOf('pair', sinceMs + 700)
    stays.add('place', stay)
    void stays.nextOffer('place', 'pair', sinceMs, here)
    for (let step = 0; step < 80; step++) await time.advance(10)
    expect(stay.isLeaving).toBe(true)
  })

  test('is not waited for where that would take longer than a second', async () => {
    const time = new ManualTime()
    const stays = new Stays(time.clock, time.process().surroundings.timers)
    const nowMs = time.clock.monotonicMs()
    stays.add('place', stayOf('pair', nowMs + 1_001))
    const looking = stays.nextOffer('place', 'pair', nowMs, here)
    await time.advance(250)
    expect(await looking).toBe(false)
  })
})
