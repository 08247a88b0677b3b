import { readFileSync } from 'node:fs'
import { lmdbStore } from 'retrysafe/stores/lmdb'
import { openHistory } from './answer-log.mjs'
import { answerParent, settings } from './answer-parent.mjs'
import { recordedStore } from './recorded-store.mjs'

const store = recordedStore(lmdbStore({ path: settings.path }), openHistory(settings.history))

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
    for (const { key, fence, hash } of all) {
      if (known.has(key)) wrong.push({ key, fence, hash, why: 'acknowledged twice', other: known.get(key) })
      known.set(key, { fence, hash })
      const answer = await store.claim(key, `auditor of ${key}`, 'rerun')
      const isSame = answer.kind === 'completed' && answer.fence === fence && answer.value === hash
      if (!isSame) wrong.push({ key, fence, hash, why: 'is not what was acknowledged', answer })
    }
    return { count: all.length, keys: known.size, wrong }
  },
})
