import { expect, test } from 'vitest'
import type { Random } from '../../../src/engine/clock.ts'
import { queueing, rated, refusing, SimulatedBatch, type SimulatedServer, serving } from './simulated-server.ts'

const minuteMs = 60_000

/** About so long. */
const about =
  (ms: number) =>
  (random: Random): number =>
    ms * (0.8 + 0.4 * random.unit())

/** Short with a chance of `share`, else a hundred times as long. */
const twoKinds =
  (share: number) =>
  (random: Random): number =>
    about(random.unit() < share ? 100 : 10_000)(random)

async function run(server: SimulatedServer, concurrency: number, minutes: number): Promise<SimulatedBatch> {
  const batch = new SimulatedBatch(server, { concurrency })
  await batch.run(minutes * minuteMs)
  batch.stop()
  return batch
}

// A server that refuses beyond its capacity; what a second brings at most is its capacity, at a second a call.
test.each([
  { capacity: 1, most: 16 },
  { capacity: 3, most: 16 },
  { capacity: 8, most: 16 },
  { capacity: 40, most: 64 },
  { capacity: 30, most: 300 },
])(
  'refused beyond $capacity of $most: the limit is soon near what is taken, and nine tenths of it are made use of',
  async ({ capacity, most }) => {
    for (const retryAfterMs of [undefined, 1_000]) {
      const batch = await run(
        refusing(() => capacity, about(1_000), retryAfterMs),
        most,
        10,
      )
      expect(batch.rate(minuteMs, 10 * minuteMs)).toBeGreaterThan(0.9 * capacity)
      expect(batch.meanLimit(minuteMs, 10 * minuteMs, most)).toBeGreaterThan(0.85 * capacity)
      expect(batch.meanLimit(minuteMs, 10 * minuteMs, most)).toBeLessThan(1.1 * capacity)
      expect(batch.throttles).toBeLessThan(0.06 * batch.answeredMs.length + 60)
    }
  },
)

test('refused by rate: what the rate allows is made use of, with few refusals', async () => {
  const batch = await run(rated(5, 10, about(1_000), 1_000), 16, 10)
  expect(batch.rate(minuteMs, 10 * minuteMs)).toBeGreaterThan(4.5)
  expect(batch.throttles).toBeLessThan(150)
})

test('capacity that goes is followed, and taken again when it is back', async () => {
  const capacity = (nowMs: number): number => (nowMs >= 2 * minuteMs && nowMs < 5 * minuteMs ? 4 : 16)
  const batch = await run(refusing(capacity, about(1_000)), 16, 10)
  expect(batch.rate(0, 2 * minuteMs)).toBeGreaterThan(15)
  expect(batch.rate(2 * minuteMs, 5 * minuteMs)).toBeGreaterThan(3.6)
  expect(batch.meanLimit(3 * minuteMs, 5 * minuteMs, 16)).toBeLessThan(5)
  expect(batch.rate(7 * minuteMs, 10 * minuteMs)).toBeGreaterThan(15)
  expect(batch.gate.limit).toBe(16)
})

test('a large limit comes back in proportion: from 20 to 200 within some minutes, not one more a round', async () => {
  const batch = await run(
    refusing(nowMs => (nowMs < 2 * minuteMs ? 20 : 200), about(5_000)),
    200,
    10,
  )
  expect(batch.meanLimit(minuteMs, 2 * minuteMs, 200)).toBeLessThan(30)
  expect(batch.gate.limit).toBe(200)
})

test('long and short items in turns do not strangle the batch either', async () => {
  let items = 0
  const batch = await run(
    serving(random => about(items++ % 2_000 < 1_000 ? 300 : 6_000)(random)),
    16,
    60,
  )
  expect(batch.meanLimit(0, 60 * minuteMs, 16)).toBeGreaterThan(15.5)
})

test('a server that refuses the first call of every item gets it again before it gets another: all are answered in the end', async () => {
  for (const hint of [{}, { retryAfterMs: 1_000 }]) {
    const server: SimulatedServer = {
      reply: (_, __, isFirst) =>
        isFirst ? { kind: 'throttled', afterMs: 20, ...hint } : { kind: 'answered', afterMs: 20 },
    }
    const batch = await run(server, 16, 2)
    expect(batch.answeredMs.length).toBeGreaterThan(100)
    expect(batch.throttles - batch.answeredMs.length).toBeLessThanOrEqual(48)
  }
})

test('a fixed limit stays what it is, whatever is refused', async () => {
  const batch = new SimulatedBatch(
    refusing(() => 8, about(1_000)),
    { concurrency: 16, adaptive: false },
  )
  await batch.run(minuteMs)
  batch.stop()
  expect(batch.gate.limit).toBe(16)
  expect(batch.throttles).toBeGreaterThan(100)
})

test('kept waiting where answers had come at once: fewer are sent, as many are served, and all again when it is over', async () => {
  const capacity = (nowMs: number): number => (nowMs >= 2 * minuteMs && nowMs < 8 * minuteMs ? 8 : 64)
  const batch = await run(queueing(capacity, about(1_000)), 64, 13)
  expect(batch.meanLimit(0, 2 * minuteMs, 64)).toBe(64)
  expect(batch.meanLimit(4 * minuteMs, 8 * minuteMs, 64)).toBeLessThan(40)
  expect(batch.meanLimit(4 * minuteMs, 8 * minuteMs, 64)).toBeGreaterThanOrEqual(16)
  expect(batch.rate(2 * minuteMs, 8 * minuteMs)).toBeGreaterThan(0.9 * 8)
  expect(batch.rate(10 * minuteMs, 13 * minuteMs)).toBeGreaterThan(0.9 * 64)
  expect(batch.gate.limit).toBe(64)
})

test.each([0.05, 0.1, 0.15, 0.3, 0.5, 0.7, 0.9])(
  'short items (%d of all) among long ones: the mix does not strangle the batch',
  async share => {
    for (const most of [16, 64]) {
      const batch = await run(serving(twoKinds(share)), most, 30)
      expect(batch.meanLimit(0, 30 * minuteMs, most)).toBeGreaterThan(0.9 * most)
      if (share >= 0.3 && share <= 0.7) expect(batch.meanLimit(0, 30 * minuteMs, most)).toBe(most)
    }
  },
)

test('short items first and long ones after: less is tried, does not help, and is taken back', async () => {
  let items = 0
  const batch = await run(
    serving(random => about(items++ < 1_000 ? 300 : 6_000)(random)),
    16,
    15,
  )
  const cuts = batch.limits.filter(({ limit }) => limit < 16)
  expect(cuts.length).toBeGreaterThan(0)
  expect(Math.min(...cuts.map(({ limit }) => limit))).toBeGreaterThanOrEqual(11)
  expect(batch.meanLimit(3 * minuteMs, 15 * minuteMs, 16)).toBeGreaterThan(15.5)
})

test('answers within milliseconds that take ten times as long for a while: that may be ourselves, and nothing is cut', async () => {
  const slow = (nowMs: number): boolean => nowMs > 2_000 && nowMs < 4_000
  let nowMs = 0
  const quick = serving(random => about(slow(nowMs) ? 20 : 2)(random))
  const server: SimulatedServer = {
    reply: (atMs, active, isFirst) => {
      nowMs = atMs
      return quick.reply(atMs, active, isFirst)
    },
  }
  const batch = await run(server, 16, 0.1)
  expect(batch.answeredMs.length).toBeGreaterThan(20_000)
  expect(batch.limits).toEqual([])
})

test('without trouble the limit stays where it began', async () => {
  const batch = await run(serving(about(1_000)), 16, 30)
  expect(batch.limits).toEqual([])
})
