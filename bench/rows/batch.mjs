import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRetrysafe } from 'retrysafe'
import { runBatch } from 'retrysafe/batch'
import { Pool } from 'undici'
import { drive, latencyFigures } from '../callers.mjs'
import { startChild } from '../servers/child.mjs'

const gatewayBin = 'packages/gateway/bin/retrysafe.js'
const concurrency = 16
const body = JSON.stringify({ model: 'bench', messages: [{ role: 'user', content: 'p'.repeat(1_024 - 64) }] })

/** Sends one item and takes its answer in, the same with us and without. */
function sender(pool) {
  return async key => {
    const headers = {
      'content-type': 'application/json',
      authorization: 'Bearer sk-bench',
      'idempotency-key': key,
    }
    const answer = await pool.request({ path: '/v1/chat/completions', method: 'POST', headers, body })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`the sandbox answered ${answer.statusCode}: ${text}`)
    return text
  }
}

async function runsOf(url) {
  const { runs, received } = await (await fetch(`${url}/meter`)).json()
  if (runs !== received) throw new Error(`${received} calls were received, and only ${runs} run`)
  return runs
}

/** Items without end, until the time is over. */
function* itemsUntil(untilMs) {
  for (let number = 0; performance.now() < untilMs; number++)
    yield { customId: `item-${number}`, takenAtMs: performance.now() }
}

/** One batch from its first item to the last result: every item is recorded durably before it is given. */
async function drivenBatch(safe, batchId, send, forMs) {
  const latencies = []
  const startedMs = performance.now()
  const options = {
    batchId,
    safe,
    concurrency,
    send: (_, { idempotencyKey }) => send(idempotencyKey),
    fingerprint: () => body,
  }
  for await (const result of runBatch(itemsUntil(startedMs + forMs), options)) {
    if (result.kind !== 'done' || result.replayed)
      throw new Error(`an item was not done: ${result.error ?? 'replayed'}`)
    latencies.push(performance.now() - result.item.takenAtMs)
  }
  return latencyFigures(latencies, performance.now() - startedMs)
}

/** Batches in turn with a plain loop that keeps nothing: the same HTTP client, as many at once, the same sandbox. */
async function besidePlainLoop({ seconds, repeats }, sandboxFlags) {
  const sandbox = await startChild([gatewayBin, 'sandbox', '--port', '0', ...sandboxFlags])
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-bench-batch-'))
  const safe = createRetrysafe({ store: `lmdb:${folder}` })
  const pool = new Pool(sandbox.url, { connections: concurrency })
  const send = sender(pool)
  let number = 0
  try {
    await drivenBatch(safe, 'warm', send, Math.min(1, seconds) * 1_000)
    const runs = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      const bare = await drive(() => send(`loop-${number++}`), concurrency, seconds * 1_000)
      const before = await runsOf(sandbox.url)
      const ours = await drivenBatch(safe, `batch-${repeat}`, send, seconds * 1_000)
      const executed = (await runsOf(sandbox.url)) - before
      if (executed !== ours.answered) throw new Error(`${ours.answered} items, but ${executed} executions`)
      runs.push({ bare, ours, executed, ratio: ours.perSecond / bare.perSecond })
    }
    return runs
  } finally {
    await safe.close()
    await pool.close()
    await sandbox.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

const beside = 'a plain loop'

export const batchRows = [
  {
    name: `batch on lmdb, ${concurrency} at once, answers after 200 ms`,
    goal: 0.8,
    beside,
    run: settings => besidePlainLoop(settings, ['--fault', 'delay=200ms']),
  },
  // Nobody's model answers at once: what is left is what an item costs us, in processor time and waits for the disk.
  {
    name: `batch on lmdb, ${concurrency} at once, answers at once`,
    goal: 0.1,
    beside,
    run: settings => besidePlainLoop(settings, []),
  },
]
