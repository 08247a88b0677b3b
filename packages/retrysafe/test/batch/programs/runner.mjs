import { appendFileSync } from 'node:fs'
import { createRetrysafe } from 'retrysafe'
import { runBatch } from 'retrysafe/batch'
import { answerParent, settings, tell } from '../../../../../test/fault/programs/answer-parent.mjs'

/**
 * `settings`: path (of the store's folder), ledger (a file that gets a line for every run that is paid), items (their
 * number), onCrash, concurrency, dieAt: { point: 'claimed' | 'sent' | 'recorded', item }
 */
const { path, ledger, items, onCrash = 'rerun', concurrency = 4, dieAt } = settings
const safe = createRetrysafe({ store: `lmdb:${path}` })

const dieIf = (point, item) => {
  if (dieAt?.point === point && dieAt.item === item) process.kill(process.pid, 'SIGKILL')
}

async function send(item) {
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
    for await (const result of runBatch(all, { batchId: 'b', safe, send, onCrash, concurrency, baseDelayMs: 0 })) {
      dieIf('recorded', result.item)
      const { kind, replayed, error } = result
      results.push([result.item, kind === 'failed' ? error.code : replayed ? 'replayed' : 'done'])
      tell(results.length)
    }
    await safe.close()
    return results
  },
})
