import { createHash, randomBytes } from 'node:crypto'
import { openEngine } from 'retrysafe/internal/engine/engine'
import { encodeHead } from 'retrysafe/internal/engine/outcome'
import { claimArguments, tokenArguments } from 'retrysafe/internal/stores/redis/answers'
import { scripts } from 'retrysafe/internal/stores/redis/embedded-lua'
import { redisStore } from 'retrysafe/stores/redis'
import { drive } from '../callers.mjs'
import { openClient, openServer } from '../servers/redis.mjs'
import { answerBody, callers, callOf, must, newKey, replayIn, runIn } from './redis-calls.mjs'

const sha1 = Object.fromEntries(
  Object.entries(scripts).map(([name, text]) => [name, createHash('sha1').update(text).digest('hex')]),
)
const head = encodeHead({ kind: 'http', status: 200, headers: ['content-type', 'application/json'] })
const outcome = Buffer.concat([head, Buffer.from(answerBody)])

/** What the store sends, by itself. */
function bareCalls(send) {
  const evaluate = (name, key, args) => send(key, ['EVALSHA', sha1[name], '1', key, ...args])
  async function claim(name) {
    const { canonical: _, ...call } = callOf(name)
    const { raw } = call
    const key = `rs:{${call.key}}`
    const owner = randomBytes(16).toString('base64url')
    const reply = await evaluate('claim', key, [...claimArguments({ ...call, owner }), '0', '-1', '0'])
    return { key, owner, raw, reply }
  }
  return {
    async first(name) {
      const { key, owner, raw, reply } = await claim(name)
      must(String(reply[0]), 'a')
      const token = tokenArguments({ fence: Number(reply[1]), owner })
      must(String(await evaluate('complete', key, [...token, '0', outcome, raw, '536805376'])), 'ok')
    },
    async replay(name) {
      const { reply } = await claim(name)
      must(reply[5].length, outcome.length)
    },
  }
}

/** An engine and a bare client on one server, with what both can do. */
export async function openBoth({ kind, library }) {
  const server = await openServer(kind)
  const bare = await openClient(library, server)
  const url = kind === 'cluster' ? server.url : `${server.url}/0`
  const engine = await openEngine({ store: redisStore({ url: `${url}?client=${library}` }) })
  return {
    engine,
    server,
    bare,
    async close() {
      await engine.close()
      bare.close()
    },
  }
}

const replayKeys = 1_000

/** Answers once what is to be replayed. */
export async function answerAll(first) {
  const known = Array.from({ length: replayKeys }, newKey)
  for (let at = 0; at < replayKeys; at += callers) await Promise.all(known.slice(at, at + callers).map(first))
  let number = 0
  return () => known[number++ % replayKeys]
}

/** Ours and the others' in turn, so that a machine that slows down slows both. */
export async function interleaved({ seconds, repeats }, server, { ours, bare }) {
  const forMs = seconds * 200
  for (const call of [bare, ours]) await drive(call, callers, Math.min(forMs, 500))
  const runs = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    const other = await drive(bare, callers, forMs)
    const before = await server.countKeys()
    const own = await drive(ours, callers, forMs)
    // Each key that is new is one execution.
    const executed = (await server.countKeys()) - before
    runs.push({ ours: own, bare: other, executed, ratio: own.perSecond / other.perSecond })
  }
  return runs
}

function row(name, { kind, library, goal, beside, prepare }) {
  return {
    name: `redis ${name}, ${callers} callers, ${library}, ${kind}`,
    goal,
    beside,
    async run(settings) {
      const both = await openBoth({ kind, library })
      try {
        return await interleaved(settings, both.server, await prepare(both))
      } finally {
        await both.close()
      }
    },
  }
}

async function firstCalls({ engine, bare }) {
  const { first } = bareCalls(bare.send)
  return { ours: () => runIn(engine, newKey()), bare: () => first(newKey()) }
}

async function replays({ engine, bare }) {
  const next = await answerAll(key => runIn(engine, key))
  const { replay } = bareCalls(bare.send)
  return { ours: () => replayIn(engine, next()), bare: () => replay(next()) }
}

const beside = 'the same scripts, bare client'
const places = ['single', 'cluster'].flatMap(kind => ['ioredis', 'redis'].map(library => ({ kind, library })))

export const redisStoreRows = places.flatMap(place => [
  row('first calls', { ...place, goal: 0.8, beside, prepare: firstCalls }),
  row('replays', { ...place, goal: 0.8, beside, prepare: replays }),
])
