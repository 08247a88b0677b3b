import { createHash } from 'node:crypto'
import { lmdbStore } from 'retrysafe/stores/lmdb'
import { answerParent, machineMs, settings, standUntil } from './answer-parent.mjs'

const store = lmdbStore({ path: settings.path })

answerParent({
  /** All that a claim needs is there: only the start is missing. */
  ready: () => 'ready',
  /** Claims at one instant, and says when it asked and when it was told. */
  claim: async ({ key, owner, leaseMs, atMs }) => {
    const terms = { key, raw: `raw of ${key}`, owner, leaseMs, retentionMs: 600_000, onCrash: 'rerun', maxAttempts: 3 }
    const label = { operation: 'race', tenant: 'tenant00' }
    if (atMs !== undefined) standUntil(atMs)
    const invokedAtMs = machineMs()
    const answer = await store.claim({ ...terms, label })
    return { invokedAtMs, returnedAtMs: machineMs(), answer: shorten(answer) }
  },
  complete: ({ key, token, text }) => store.complete(key, token, { offsetBytes: 0, bytes: Buffer.from(text) }),
})

/** Bytes as their hash. */
function shorten(answer) {
  if (answer.kind !== 'completed') return answer
  return { kind: 'completed', fence: answer.fence, hash: createHash('sha256').update(answer.log.bytes).digest('hex') }
}
