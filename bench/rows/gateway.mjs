import { executedAtRest, executedBy, load } from '../load.mjs'
import { startChild } from '../servers/child.mjs'

const gatewayBin = 'packages/gateway/bin/retrysafe.js'

/** A gateway over a bare upstream, beside a bare server of its own kind. */
async function withServers(store, measure) {
  const bare = await startChild(['bench/servers/bare.mjs'])
  const upstream = await startChild(['bench/servers/bare.mjs'])
  const flags = ['--upstream', upstream.url, '--store', store]
  const gateway = await startChild([gatewayBin, 'serve', '--port', '0', '--admin-port', '0', ...flags])
  try {
    return await measure({ bare, upstream, gateway })
  } finally {
    await Promise.all([bare.end(), upstream.end(), gateway.end()])
  }
}

/** A and B in turn, so that a machine that slows down slows both. */
async function interleaved({ seconds, repeats, keyOf }, { bare, upstream, gateway }) {
  const runs = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    const raw = await load(bare.url, seconds, keyOf)
    const before = await executedAtRest(upstream.url)
    const ours = await load(gateway.url, seconds, keyOf)
    const executed = (await executedBy(upstream.url)) - before
    runs.push({ bare: raw, ours, executed, ratio: ours.perSecond / raw.perSecond })
  }
  return runs
}

const replayKeys = 1_000

/** What is not measured yet: two seconds, or less where the measurement is short. */
const warmSeconds = seconds => Math.min(2, seconds)

/** On a busy machine not all keys are through in one go: each goes on where the one before stopped. */
async function answerAll({ gateway, upstream }, seconds, keyOf) {
  let number = 0
  const untilMs = performance.now() + 60_000
  while (performance.now() < untilMs) {
    await load(gateway.url, warmSeconds(seconds), () => keyOf(number++))
    if ((await executedBy(upstream.url)) >= replayKeys) return
  }
  throw new Error(`not all of ${replayKeys} keys could be answered within a minute`)
}

const beside = 'bare node:http'

/**
 * Replays and first calls through a gateway on one kind of store.
 *
 * @param kind `memory`; `store`: makes an empty one and answers its URL and how to close it
 */
export function gatewayRows(kind, { store, replayGoal, firstGoal }) {
  const withStore = async measure => {
    const { url, close } = await store()
    try {
      return await withServers(url, measure)
    } finally {
      await close()
    }
  }
  return [
    /** Every key has been answered before: no execution at all may happen. */
    {
      name: `gateway replay, ${kind}`,
      goal: replayGoal,
      beside,
      run: ({ seconds, repeats }) =>
        withStore(async servers => {
          const keyOf = number => `replay-${number % replayKeys}`
          await answerAll(servers, seconds, keyOf)
          const runs = await interleaved({ seconds, repeats, keyOf }, servers)
          for (const { executed } of runs) {
            if (executed !== 0) throw new Error(`a replay executed ${executed} calls`)
          }
          return runs
        }),
    },
    /** Every key is new: each answer is one execution, and none is lost or doubled. */
    {
      name: `gateway first call, ${kind}`,
      goal: firstGoal,
      beside,
      run: ({ seconds, repeats }) =>
        withStore(async servers => {
          let number = 0
          const keyOf = () => `first-${number++}`
          await load(servers.gateway.url, warmSeconds(seconds), keyOf)
          const runs = await interleaved({ seconds, repeats, keyOf }, servers)
          for (const { executed, ours } of runs) {
            // The load generator hangs up on what is in flight when its time is over.
            if (executed < ours.answered || executed > ours.sent) {
              throw new Error(`${ours.answered} answers, ${ours.sent} requests, but ${executed} executions`)
            }
          }
          return runs
        }),
    },
  ]
}

const memoryUrl = 'memory:?max-bytes=4gb&max-entries=10000000'

export const memoryGatewayRows = gatewayRows('memory', {
  store: async () => ({ url: memoryUrl, close: async () => {} }),
  replayGoal: 0.5,
  firstGoal: 0.25,
})
