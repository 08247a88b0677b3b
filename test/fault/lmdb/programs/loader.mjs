import { randomBytes } from 'node:crypto'
import { lmdbStore } from 'retrysafe/stores/lmdb'
import { answerParent, machineMs, settings } from '../../programs/answer-parent.mjs'

/** `settings`: path, callers, helps (whether it may wake a stopped process that holds LMDB's lock) */
if (!settings.helps) process.kill = () => false
const store = lmdbStore({ path: settings.path })
const body = randomBytes(500)
const label = { operation: 'load', tenant: 'tenant00' }
/** When each completion was acknowledged, since somebody asked last. */
let completedAtMs = []
let refused = 0
let stopped = false

async function work() {
  while (!stopped) {
    try {
      await call(randomBytes(32).toString('base64url'))
    } catch (error) {
      if (error.code !== 'STORE_UNAVAILABLE') throw error
      refused++
      // Refused at once while older writes hang.
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

async function call(key) {
  const terms = { key, raw: 'raw', owner: key, leaseMs: 30_000, retentionMs: 600_000, onCrash: 'rerun', maxAttempts: 3 }
  const { token } = await store.claim({ ...terms, label })
  await store.complete(key, token, { offsetBytes: 0, bytes: body })
  completedAtMs.push(machineMs())
}

let callers = []

answerParent({
  ready: () => 'ready',
  start: () => {
    stopped = false
    callers = Array.from({ length: settings.callers }, work)
    return 'works'
  },
  /** The completions since the last question. */
  completions: () => {
    const answer = { completedAtMs, refused }
    completedAtMs = []
    refused = 0
    return answer
  },
  finish: async () => {
    stopped = true
    await Promise.all(callers)
  },
})
