import { randomBytes } from 'node:crypto'
import { openEngine } from 'retrysafe/internal/engine/engine'
import { redisStore } from 'retrysafe/stores/redis'
import { drive } from '../callers.mjs'
import { callers, callOf, must, newKey } from './redis-calls.mjs'
import { openBoth } from './redis-store.mjs'

const chunk = Buffer.from(`data: ${'x'.repeat(112)}\n\n`)
const chunks = 200
const head = { kind: 'http', status: 200, headers: ['content-type', 'text/event-stream'] }

async function begin(engine, key) {
  const entry = await engine.enter(callOf(key))
  must(entry.kind, 'run')
  must(await entry.attempt.begin(), 'go')
  entry.attempt.recording.open(head)
  entry.attempt.recording.goLive()
  return entry.attempt
}

/** Measures by turns what takes `{ perSecond, p50Ms, ... }`. */
function row(name, { goal, beside, prepare }) {
  return {
    name: `redis ${name}`,
    goal,
    beside,
    async run({ seconds, repeats }) {
      const both = await openBoth({ kind: 'single', library: 'ioredis' })
      try {
        const { ours, bare, callersEach, ratioOf } = await prepare(both)
        const forMs = seconds * 200
        for (const call of [bare, ours]) await drive(call, callersEach, Math.min(forMs, 500))
        const runs = []
        for (let repeat = 0; repeat < repeats; repeat++) {
          const other = await drive(bare, callersEach, forMs)
          const own = await drive(ours, callersEach, forMs)
          runs.push({ ours: own, bare: other, executed: 0, ratio: ratioOf(own, other) })
        }
        return runs
      } finally {
        await both.close()
      }
    },
  }
}

const byRate = (own, other) => own.perSecond / other.perSecond
const byP50 = (own, other) => other.p50Ms / own.p50Ms

/** As many streams as there are callers, each of which gets pieces of 1 KiB. */
async function appends({ engine: { store }, bare }) {
  const bytes = randomBytes(1_024)
  const open = async () => {
    const { canonical: _, ...call } = callOf(newKey())
    const { token } = await store.claim({ ...call, owner: randomBytes(16).toString('base64url') })
    return { key: call.key, token, offsetBytes: 0 }
  }
  const free = []
  return {
    callersEach: callers,
    ratioOf: byRate,
    async ours() {
      const own = free.pop() ?? (await open())
      const { kind } = await store.append(own.key, own.token, { offsetBytes: own.offsetBytes, bytes })
      must(kind, 'ok')
      own.offsetBytes += bytes.length
      // So that no stream grows beyond what a stream is.
      if (own.offsetBytes < 256 * 1_024) free.push(own)
    },
    bare: () => bare.client.append(`bare-${Math.floor(Math.random() * callers)}`, bytes),
  }
}

/** A finished stream, read whole by one caller after the other. */
async function finished({ engine, bare }) {
  const key = newKey()
  const attempt = await begin(engine, key)
  for (let sent = 0; sent < chunks; sent++) attempt.recording.write(chunk)
  must(await attempt.complete(), 'sealed')
  await bare.client.set('whole', Buffer.alloc(chunks * chunk.length, chunk))
  return {
    callersEach: 1,
    ratioOf: byP50,
    async ours() {
      const { replay } = await engine.enter(callOf(key))
      must(replay.body.bytes.length, chunks * chunk.length)
    },
    bare: async () => must((await bare.client.getBuffer('whole')).length, chunks * chunk.length),
  }
}

const slowestMs = 30

/** From the upstream's first byte to the joiner's, who has an engine and connections of its own. */
const joined = {
  name: 'redis joiner, first byte',
  goal: 1,
  beside: `${slowestMs} ms`,
  async run({ repeats }) {
    const both = await openBoth({ kind: 'single', library: 'ioredis' })
    const other = await openEngine({ store: redisStore({ url: both.server.url }) })
    try {
      const runs = []
      for (let repeat = 0; repeat < repeats; repeat++) runs.push(await joinOften(both.engine, other))
      return runs
    } finally {
      await other.close()
      await both.close()
    }
  },
}

async function joinOften(runner, other) {
  const took = []
  for (let count = 0; count < 12; count++) {
    const key = newKey()
    const entry = await runner.enter(callOf(key))
    must(entry.kind, 'run')
    must(await entry.attempt.begin(), 'go')
    const joining = other.enter({ ...callOf(key), waitMs: 10_000 })
    // A model takes its time until its first token.
    await new Promise(resolve => setTimeout(resolve, 150))
    const { recording } = entry.attempt
    const startedMs = performance.now()
    recording.open(head)
    recording.goLive()
    recording.write(chunk)
    const { kind, follower } = await joining
    must(kind, 'follow')
    must((await follower.next()).kind, 'bytes')
    took.push(performance.now() - startedMs)
    must(await entry.attempt.complete(), 'sealed')
    follower.close()
  }
  took.sort((one, another) => one - another)
  const p50Ms = Math.round(took[Math.floor(took.length / 2)] * 100) / 100
  const p99Ms = Math.round(took.at(-1) * 100) / 100
  return {
    ours: { perSecond: 1_000 / p50Ms, answered: took.length, p50Ms, p99Ms },
    bare: { perSecond: 1_000 / slowestMs, answered: 0, p50Ms: slowestMs, p99Ms: slowestMs },
    executed: took.length,
    ratio: slowestMs / p50Ms,
  }
}

export const redisStreamRows = [
  row(`appends of 1 KiB, ${callers} callers`, { goal: 0.3, beside: 'bare APPEND', prepare: appends }),
  row('finished stream of 200 chunks, p50', { goal: 0.3, beside: 'bare GET', prepare: finished }),
  joined,
]
