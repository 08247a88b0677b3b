import { readFileSync } from 'node:fs'
import { openStore } from 'retrysafe/internal/stores/open'
import { openHistory } from './answer-log.mjs'
import { answerParent, settings } from './answer-parent.mjs'
import { recordedStore } from './recorded-store.mjs'

/** `settings`: url (of the store), history (a file) */
const store = recordedStore(await openStore(settings.url), openHistory(settings.history))
/** Keys asked for at once. */
const atOnce = 32

/** The lines of a file; one that its writer did not live to end does not count. */
function readAcknowledgements(path) {
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
}

answerParent({
  /** Claims every acknowledged key again: what of it is not as it was acknowledged. */
  audit: async ({ files }) => {
    const wrong = []
    const known = new Map()
    const all = files.flatMap(readAcknowledgements)
    for (const acknowledged of all) {
      const other = known.get(acknowledged.key)
      if (other !== undefined) wrong.push({ ...acknowledged, why: 'acknowledged twice', other })
      known.set(acknowledged.key, acknowledged)
    }
    const waiting = [...all]
    const ask = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const { key, fence, hash } = next
        const answer = await store.claim(key, `auditor of ${key}`, 'rerun')
        const isSame = answer.kind === 'completed' && answer.fence === fence && answer.value === hash
        if (!isSame) wrong.push({ ...next, why: 'is not what was acknowledged', answer })
      }
    }
    await Promise.all(Array.from({ length: atOnce }, ask))
    return { count: all.length, keys: known.size, wrong }
  },
})
