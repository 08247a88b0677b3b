import { openStore } from 'retrysafe/internal/stores/open'
import { answerParent, settings } from '../../programs/answer-parent.mjs'
import { hashOf } from '../../programs/recorded-store.mjs'

/** `settings`: url (of the store), name, handles (each with connections of its own) */
const stores = await Promise.all(Array.from({ length: settings.handles }, () => openStore(settings.url)))
const terms = { raw: 'raw', leaseMs: 600_000, retentionMs: 600_000, onCrash: 'rerun', maxAttempts: 3 }
const label = { operation: 'batch', tenant: 'tenant00' }

function shuffled(list) {
  const copy = [...list]
  for (let at = copy.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1))
    ;[copy[at], copy[other]] = [copy[other], copy[at]]
  }
  return copy
}

/** What follows a claim; it goes on while the next batches are claimed. */
async function finish(store, key, token, share) {
  const bytes = Buffer.from(`outcome of ${key} by ${token.owner} `.repeat(5))
  const { kind } = await store.append(key, token, { offsetBytes: 0, bytes })
  if (kind !== 'ok') throw new Error(`append: ${kind}`)
  if (Math.random() < share) {
    const answer = await store.release(key, token, { end: 'free', cooldownMs: 0 })
    if (answer !== 'ok') throw new Error(`release: ${answer}`)
    return { key, fence: token.fence, freed: true }
  }
  const answer = await store.complete(key, token, { offsetBytes: bytes.byteLength, bytes: Buffer.from('end') })
  if (answer !== 'ok') throw new Error(`complete: ${answer}`)
  return { key, fence: token.fence, hash: hashOf(Buffer.concat([bytes, Buffer.from('end')])) }
}

answerParent({
  /**
   * Claims `batches` times `size` of `windowSize` keys in random order, on each handle; the window moves on by `step`.
   * Whatever it gets it completes, or, for a `freedShare`, frees.
   */
  claim: async ({ batches, size, windowSize, step, prefix, freedShare }) => {
    const seen = { acquired: 0, running: 0, completed: 0 }
    const finishing = []
    const wrong = []
    const replays = []
    const onHandle = async (store, handle) => {
      for (let batch = 0; batch < batches; batch++) {
        const names = Array.from({ length: windowSize }, (_, at) => `${prefix}-${batch * step + at}`)
        const keys = shuffled(names).slice(0, size)
        const owner = `${settings.name}-${handle}-${batch}`
        const answers = await store.claimMany(keys.map(key => ({ ...terms, key, owner: `${owner} ${key}`, label })))
        for (const [at, answer] of answers.entries()) {
          const key = keys[at]
          if (seen[answer.kind] === undefined) wrong.push({ key, answer })
          else seen[answer.kind]++
          if (answer.kind === 'acquired') finishing.push(finish(store, key, answer.token, freedShare))
          if (answer.kind === 'completed') replays.push({ key, fence: answer.fence, hash: hashOf(answer.log.bytes) })
        }
      }
    }
    await Promise.all(stores.map(onHandle))
    return { seen, wrong, replays, finished: await Promise.all(finishing) }
  },
  close: async () => {
    await Promise.all(stores.map(store => store.close()))
  },
})
