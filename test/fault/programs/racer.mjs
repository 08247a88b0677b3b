import { openStore } from 'retrysafe/internal/stores/open'
import { answerParent, machineMs, settings, standUntil } from './answer-parent.mjs'
import { hashOf } from './recorded-store.mjs'

/** `settings`: url (of the store) */
const store = await openStore(settings.url)
const label = { operation: 'race', tenant: 'tenant00' }

/** What a step answered, and when it was asked and told. */
async function timed(ask) {
  const invokedAtMs = machineMs()
  const answer = await ask()
  return { invokedAtMs, returnedAtMs: machineMs(), answer }
}

answerParent({
  /** All that a claim needs is there: only the start is missing. */
  ready: async () => {
    await store.now()
    return 'ready'
  },
  /** Claims at one instant. */
  claim: async ({ key, terms, atMs }) => {
    if (atMs !== undefined) standUntil(atMs)
    const { answer, ...times } = await timed(() => store.claim({ key, ...terms, label }))
    return { ...times, answer: shorten(answer) }
  },
  complete: ({ key, token, text }) =>
    timed(() => store.complete(key, token, { offsetBytes: 0, bytes: Buffer.from(text) })),
})

/** Bytes as their hash. */
function shorten(answer) {
  if (answer.kind !== 'completed') return answer
  return { kind: 'completed', fence: answer.fence, hash: hashOf(answer.log.bytes) }
}
