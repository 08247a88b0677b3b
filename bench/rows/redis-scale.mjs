import { drive } from '../callers.mjs'
import { callers, callOf, must, newKey, runIn } from './redis-calls.mjs'
import { openBoth } from './redis-store.mjs'

/** A p50 may grow by so much from a thousand records to many. */
const mostGrowth = 1.3

async function fill(engine, count) {
  let left = count
  const work = async () => {
    while (left-- > 0) await runIn(engine, newKey())
  }
  await Promise.all(Array.from({ length: callers }, work))
}

async function openFilled(kind, records) {
  const both = await openBoth({ kind, library: 'ioredis' })
  await fill(both.engine, records)
  const claim = async () => {
    const { canonical: _, ...call } = callOf(newKey())
    must((await both.engine.store.claim({ ...call, owner: call.key.slice(0, 22) })).kind, 'acquired')
  }
  return { claim, close: both.close }
}

export const redisScaleRow = {
  name: 'redis claims among many records, p50',
  goal: 1 / mostGrowth,
  beside: 'among 1,000 records',
  async run({ seconds, repeats, records }) {
    const few = await openFilled('single', 1_000)
    const many = await openFilled('second', records)
    try {
      const runs = []
      for (const { claim } of [few, many]) await drive(claim, 16, seconds * 100)
      for (let repeat = 0; repeat < repeats; repeat++) {
        const bare = await drive(few.claim, 16, seconds * 200)
        const ours = await drive(many.claim, 16, seconds * 200)
        runs.push({ ours, bare, executed: ours.answered, ratio: bare.p50Ms / ours.p50Ms })
      }
      return runs
    } finally {
      await few.close()
      await many.close()
    }
  },
}
