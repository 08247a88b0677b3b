import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRetrysafe } from 'retrysafe'
import { runBatch } from 'retrysafe/batch'
import { runBatchFile } from 'retrysafe/internal/batch/file/run-batch-file'
import { Pool } from 'undici'
import { openSender } from '../../packages/gateway/dist/cli/batch/sender.js'
import { drive, latencyFigures } from '../callers.mjs'
import { startChild } from '../servers/child.mjs'

const gatewayBin = 'packages/gateway/bin/retrysafe.js'
const concurrency = 16
/** Items of a file whose answers come at once: 5,000 in 5 s, more or less. */
const atOncePerMs = 1
const path = '/v1/chat/completions'
const body = JSON.stringify({ model: 'bench', messages: [{ role: 'user', content: 'p'.repeat(1_024 - 64) }] })

async function runsOf(url) {
  const { runs, received } = await (await fetch(`${url}/meter`)).json()
  if (runs !== received) throw new Error(`${received} calls were received, and only ${runs} run`)
  return runs
}

/** `runBatch` over a client of its user's. */
function itemsSide({ url, safe }) {
  const pool = new Pool(url, { connections: concurrency })
  async function send(key) {
    const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-bench', 'idempotency-key': key }
    const answer = await pool.request({ path, method: 'POST', headers, body })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`the sandbox answered ${answer.statusCode}: ${text}`)
    return text
  }
  /** From the first item to the last result: every item is recorded durably before it is given. */
  async function batch(batchId, forMs) {
    const latencies = []
    const startedMs = performance.now()
    const sendItem = (_, { idempotencyKey }) => send(idempotencyKey)
    const options = { batchId, safe, concurrency, send: sendItem, fingerprint: () => body }
    for await (const result of runBatch(itemsUntil(startedMs + forMs), options)) {
      if (result.kind !== 'done' || result.replayed)
        throw new Error(`an item was not done: ${result.error ?? 'replayed'}`)
      latencies.push(performance.now() - result.item.takenAtMs)
    }
    return latencyFigures(latencies, performance.now() - startedMs)
  }
  return { plain: send, batch, close: () => pool.close() }
}

/** Items without end, until the time is over. */
function* itemsUntil(untilMs) {
  for (let number = 0; performance.now() < untilMs; number++)
    yield { customId: `item-${number}`, takenAtMs: performance.now() }
}

/** `runBatchFile` with the command's own sender: from a file that is read and checked, to one that is written. */
function filesSide({ url, safe, folder, answersAfterMs }) {
  const credentials = { apiKey: 'sk-bench', given: [] }
  const base = { origin: url, path: '' }
  const sender = openSender({ base, credentials, connections: concurrency, timeoutMs: 60_000 })
  const line = { method: 'POST', url: path, body: Buffer.from(body) }
  async function batch(batchId, forMs) {
    const [input, output] = ['in', 'out'].map(name => join(folder, `${batchId}.${name}.jsonl`))
    const items = Math.ceil(answersAfterMs === 0 ? atOncePerMs * forMs : (forMs / answersAfterMs) * concurrency)
    const lines = Array.from({ length: items }, (_, number) => inputLine(`item-${number}`))
    writeFileSync(input, lines.join(''))
    const latencies = []
    const startedMs = performance.now()
    async function send(item, context) {
      const sentMs = performance.now()
      const answer = await sender.send(item, context)
      latencies.push(performance.now() - sentMs)
      return answer
    }
    const { done, failed, replayed } = await runBatchFile({ input, output, safe, concurrency, send })
    if (done !== items || failed + replayed > 0)
      throw new Error(`of ${items} items ${done} were done, ${failed} failed, ${replayed} replayed`)
    return latencyFigures(latencies, performance.now() - startedMs)
  }
  const plain = idempotencyKey => sender.send(line, { idempotencyKey, signal: new AbortController().signal })
  return { plain, batch, close: sender.close }
}

function inputLine(customId) {
  return `{"custom_id":"${customId}","method":"POST","url":"${path}","body":${body}}\n`
}

/** Batches in turn with a plain loop that keeps nothing: the same HTTP client, as many at once, the same sandbox. */
async function besidePlainLoop({ seconds, repeats }, answersAfterMs, openSide) {
  const delay = answersAfterMs === 0 ? [] : ['--fault', `delay=${answersAfterMs}ms`]
  const sandbox = await startChild([gatewayBin, 'sandbox', '--port', '0', ...delay])
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-bench-batch-'))
  const safe = createRetrysafe({ store: `lmdb:${join(folder, 'data')}` })
  const side = openSide({ url: sandbox.url, safe, folder, answersAfterMs })
  let number = 0
  try {
    await side.batch('warm', Math.min(1, seconds) * 1_000)
    const runs = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      const bare = await drive(() => side.plain(`loop-${number++}`), concurrency, seconds * 1_000)
      const before = await runsOf(sandbox.url)
      const ours = await side.batch(`batch-${repeat}`, seconds * 1_000)
      const executed = (await runsOf(sandbox.url)) - before
      if (executed !== ours.answered) throw new Error(`${ours.answered} items, but ${executed} executions`)
      runs.push({ bare, ours, executed, ratio: ours.perSecond / bare.perSecond })
    }
    return runs
  } finally {
    await safe.close()
    await side.close()
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
    run: settings => besidePlainLoop(settings, 200, itemsSide),
  },
  {
    name: `batch of a file on lmdb, ${concurrency} at once, answers after 200 ms`,
    goal: 0.8,
    beside,
    run: settings => besidePlainLoop(settings, 200, filesSide),
  },
  // Nobody's model answers at once: what is left is what an item costs us, in processor time and waits for the disk.
  {
    name: `batch on lmdb, ${concurrency} at once, answers at once`,
    goal: 0.05,
    beside,
    run: settings => besidePlainLoop(settings, 0, itemsSide),
  },
  {
    name: `batch of a file on lmdb, ${concurrency} at once, answers at once`,
    goal: 0.05,
    beside,
    run: settings => besidePlainLoop(settings, 0, filesSide),
  },
]
