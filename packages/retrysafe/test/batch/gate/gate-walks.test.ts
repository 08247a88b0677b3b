import { expect, test } from 'vitest'
import { Host, VirtualTime } from '../../../../../test/simulation/virtual-time.ts'
import { type Gate, type GateOutcome, openGate } from '../../../src/batch/gate/gate.ts'
import type { Random } from '../../../src/engine/clock.ts'
import { seededRandom } from '../../support/manual-time.ts'

/** One of all that a try may come to, most often an answer. */
function draw(random: Random): GateOutcome {
  const roll = random.unit()
  if (roll < 0.6) return { kind: 'answered', tokens: random.unit() * 500 }
  if (roll < 0.7) return { kind: 'throttled', retryAfterMs: random.unit() * 5_000, trouble: '429' }
  if (roll < 0.8) return { kind: 'throttled', retryAfterMs: undefined, trouble: '429' }
  if (roll < 0.85) return { kind: 'unreachable', trouble: 'ECONNREFUSED' }
  return roll < 0.95 ? { kind: 'failed', trouble: '500' } : { kind: 'unused' }
}

interface Walk {
  readonly told: { passes: number; nothing: number; stalled: number }
  readonly gate: Gate
  readonly timers: () => number
  readonly over: AbortController
  readonly time: VirtualTime
}

/** So many callers of a gate that meet everything there is, some of whom lose patience. */
async function walk(seed: number, callers: number): Promise<Walk> {
  const random = seededRandom(seed)
  const time = new VirtualTime()
  const { clock, timers } = new Host(time, 'runner')
  let running = 0
  const counted = {
    after(delayMs: number, run: () => void) {
      running++
      let isOver = false
      const end = (): void => {
        if (!isOver) running--
        isOver = true
      }
      const timer = timers.after(delayMs, () => {
        end()
        run()
      })
      return {
        cancel() {
          end()
          timer.cancel()
        },
      }
    },
  }
  const concurrency = 1 + Math.floor(random.unit() * 20)
  const rates = random.unit() < 0.5 ? {} : { requestsPerMinute: 600, tokensPerMinute: 60_000 }
  const rules = {
    concurrency,
    adaptive: random.unit() < 0.8,
    giveUpMs: 86_400_000,
    firstAnswerMs: 86_400_000,
    ...rates,
  }
  const gate = openGate(rules, { clock, timers: counted, random })
  const over = new AbortController()
  const told = { passes: 0, nothing: 0, stalled: 0 }
  for (let caller = 0; caller < callers; caller++) {
    const own = new AbortController()
    const { signal } = random.unit() < 0.9 ? over : own
    time.at(random.unit() * 20_000, undefined, () => {
      if (signal === own.signal) time.at(time.nowMs + random.unit() * 10_000, undefined, () => own.abort())
      void gate.enter(signal, random.unit() * 500).then(pass => {
        if (pass === 'stalled') told.stalled++
        if (pass === undefined) told.nothing++
        if (typeof pass !== 'object') return
        told.passes++
        expect(gate.inFlight).toBeLessThanOrEqual(concurrency)
        expect(gate.limit).toBeGreaterThanOrEqual(1)
        time.at(time.nowMs + random.unit() * 2_000, undefined, () => pass.leave(draw(random)))
      })
    })
  }
  return { told, gate, timers: () => running, over, time }
}

test('whatever comes of their tries, everybody gets a turn in the end, and nothing is left', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { told, gate, timers, time } = await walk(seed, 200)
    await time.runUntil(7_200_000)
    expect(told.passes + told.nothing, `seed ${seed}`).toBe(200)
    expect(told.passes, `seed ${seed}`).toBeGreaterThan(150)
    expect(gate.inFlight, `seed ${seed}`).toBe(0)
    expect(timers(), `seed ${seed}`).toBe(0)
  }
})

test('at whatever moment the batch ends, everybody is told, and no timer is left', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { told, gate, timers, over, time } = await walk(seed, 200)
    await time.runUntil(seed * 500)
    over.abort()
    await time.runUntil(seed * 500 + 60_000)
    expect(told.passes + told.nothing, `seed ${seed}`).toBe(200)
    expect(gate.inFlight, `seed ${seed}`).toBe(0)
    expect(timers(), `seed ${seed}`).toBe(0)
  }
})
