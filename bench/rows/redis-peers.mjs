import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency'
import { CachePersistenceLayer } from '@aws-lambda-powertools/idempotency/cache'
import { Idempotency } from '@node-idempotency/core'
import { RedisStorageAdapter } from '@node-idempotency/storage-adapter-redis'
import { answerBody, callers, must, newKey, replayIn, requestBody, runIn } from './redis-calls.mjs'
import { answerAll, interleaved, openBoth } from './redis-store.mjs'

const request = JSON.parse(requestBody.toString())

/** `call(key)` runs what stands under that key, or replays it; `executed` counts the runs. */
async function openPowertools({ bare }) {
  const config = new IdempotencyConfig({ expiresAfterSeconds: 86_400 })
  // Outside of Lambda it would warn at every call that it does not know how much time is left.
  config.registerLambdaContext({ getRemainingTimeInMillis: () => 30_000 })
  const persistenceStore = new CachePersistenceLayer({ client: bare.client })
  const peer = { executed: 0, close: async () => {} }
  const effect = async () => {
    peer.executed++
    return { body: answerBody }
  }
  const run = makeIdempotent(effect, { persistenceStore, config })
  peer.call = async key => must((await run({ key, request })).body.length, answerBody.length)
  return peer
}

async function openNodeIdempotency({ server }) {
  const storage = new RedisStorageAdapter({ url: server.url })
  await storage.connect()
  const idempotency = new Idempotency(storage)
  const peer = { executed: 0, close: () => storage.disconnect() }
  peer.call = async key => {
    const asked = { method: 'POST', path: '/v1/things', headers: { 'idempotency-key': key }, body: request }
    let response = await idempotency.onRequest(asked)
    if (response === undefined) {
      peer.executed++
      response = { body: answerBody, additional: { status: 200 } }
      await idempotency.onResponse(asked, response)
    }
    must(response.body.length, answerBody.length)
  }
  return peer
}

/** What a call costs at least: one command to look, and for a first one another to keep its outcome. */
async function openBareCommands({ bare, library }) {
  const peer = { executed: 0, close: async () => {} }
  const expiring = library === 'redis' ? [{ EX: 86_400 }] : ['EX', 86_400]
  const once = library === 'redis' ? [{ EX: 86_400, NX: true, GET: true }] : ['EX', 86_400, 'NX', 'GET']
  peer.first = async key => {
    must(await bare.client.set(key, 'running', ...once), null)
    peer.executed++
    must(await bare.client.set(key, answerBody, ...expiring), 'OK')
  }
  peer.replay = async key => must((await bare.client.get(key)).length, answerBody.length)
  return peer
}

function rowsOf(beside, { library, openPeer, firstGoal, replayGoal }) {
  const named = (name, goal, prepare) => ({
    name: `redis ${name} beside ${beside}, ${callers} callers`,
    goal,
    beside,
    async run(settings) {
      const both = await openBoth({ kind: 'single', library })
      const peer = await openPeer({ ...both, library })
      try {
        const { calls, mustExecute } = await prepare(both.engine, peer)
        const executedBefore = peer.executed
        const runs = await interleaved(settings, both.server, calls)
        if (peer.executed > executedBefore !== mustExecute)
          throw new Error(`${beside} executed ${peer.executed - executedBefore} calls`)
        return runs
      } finally {
        await peer.close()
        await both.close()
      }
    },
  })
  return [
    named('first calls', firstGoal, async (engine, { call, first = call }) => ({
      calls: { ours: () => runIn(engine, newKey()), bare: () => first(newKey()) },
      mustExecute: true,
    })),
    named('replays', replayGoal, async (engine, { call, first = call, replay = call }) => {
      const [next, nextOfPeer] = [await answerAll(key => runIn(engine, key)), await answerAll(first)]
      return { calls: { ours: () => replayIn(engine, next()), bare: () => replay(nextOfPeer()) }, mustExecute: false }
    }),
  ]
}

/** Each peer on the client that it takes, and ours on the same library. */
export const redisPeerRows = [
  ...rowsOf('powertools', { library: 'redis', openPeer: openPowertools, firstGoal: 1.6, replayGoal: 2.5 }),
  ...rowsOf('node-idempotency', { library: 'redis', openPeer: openNodeIdempotency, firstGoal: 0.9, replayGoal: 1.2 }),
  ...rowsOf('bare SET NX GET and SET or GET', {
    library: 'ioredis',
    openPeer: openBareCommands,
    firstGoal: 0.4,
    replayGoal: 0.4,
  }),
]
