import { appendFileSync } from 'node:fs'
import { createRetrysafe } from 'retrysafe'
import { runBatch } from 'retrysafe/batch'
import { answerParent, settings, tell } from '../../../../../test/fault/programs/answer-parent.mjs'

/**
 * `settings`: path (of the store's folder), ledger (a file that gets a line for every run that is paid), items (their
 * number), onCrash, concurrency, leaseMs, dieAt: { point: 'claimed' | 'sent' | 'recorded', item }; refusedForMs: the first
 * try of all is answered by a 500 that asks for so long a wait
 */
const { path, ledger, items, onCrash = 'rerun', concurrency = 4, leaseMs = 30_000, dieAt, refusedForMs } = settings
const safe = createRetrysafe({ store: `lmdb:${path}` })

const dieIf = (point, item) => {
  if (dieAt?.point === point && dieAt.item === item) process.kill(process.pid, 'SIGKILL')
}

let tries = 0

async function send(item) {
  if (++tries === 1 && refusedForMs !== undefined) {
    tell('refused')
    throw Object.assign(new Error('500'), { status: 500, headers: { 'retry-after-ms': String(refusedForMs) } })
  }
  dieIf('claimed', item)
  // Its result is given a moment later: nothing else is to be paid by then.
  if (dieAt?.point === 'recorded' && Number(item.slice(5)) > 10) await new Promise(() => {})
  // Where it is paid: from here on its loss costs another.
  appendFileSync(ledger, `${item}\n`)
  // Once more round the loop: others are under way with it.
  await new Promise(resolve => setImmediate(resolve))
  dieIf('sent', item)
  return `answer to ${item}`
}

answerParent({
  async run() {
    const all = Array.from({ length: items }, (_, index) => `item ${index}`)
    const results = []
    const options = { batchId: 'b', safe, send, onCrash, concurrency, leaseMs, baseDelayMs: 0 }
    for await (const result of runBatch(all, options)) {
      dieIf('recorded', result.item)
      const { kind, replayed, error } = result
      results.push([result.item, kind === 'failed' ? error.code : replayed ? 'replayed' : 'done'])
      tell(results.length)
    }
    await safe.close()
    return results
  },
})
