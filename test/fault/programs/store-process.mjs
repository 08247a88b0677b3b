import { Client } from 'pg'
import { openStore } from 'retrysafe/internal/stores/open'
import { answerParent, machineMs, settings, standUntil } from './answer-parent.mjs'

/** `settings`: url (of the store) */
const store = await openStore(settings.url)
const label = { operation: 'fault', tenant: 'tenant00' }
const terms = { raw: 'raw', leaseMs: 600_000, retentionMs: 600_000, onCrash: 'rerun', maxAttempts: 3, label }

const pieceOf = ({ text, offsetBytes = 0 }) => ({ offsetBytes, bytes: Buffer.from(text) })
const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

/** What came of a step: its answer, or the error's code. */
async function fate(ask) {
  try {
    return (await ask()) ?? null
  } catch (error) {
    return { error: String(error.code) }
  }
}

/** PostgreSQL: an effect and the outcome in one transaction. @returns `committed`, or why it was rolled back */
async function act({ key, token, who, isolation }) {
  const client = new Client({ connectionString: settings.url })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
    await client.query('INSERT INTO public.effect (key, who) VALUES ($1, $2)', [key, who])
    await store.completeIn(client, key, token, pieceOf({ text: `${key} by ${who}` }))
    await client.query('COMMIT')
    return 'committed'
  } catch (error) {
    await client.query('ROLLBACK')
    return String(error.code)
  } finally {
    await client.end()
  }
}

let keeping

answerParent({
  ready: async () => (await store.now()) > 0,
  claim: ({ key, ...change }) => fate(() => store.claim({ ...terms, key, ...change })),
  claimAll: ({ keys, ...change }) =>
    Promise.all(keys.map(key => fate(() => store.claim({ ...terms, key, ...change })))),
  renew: ({ key, token, ...change }) => fate(() => store.renew(key, token, { leaseMs: 600_000, ...change })),
  append: ({ key, token, ...piece }) => fate(() => store.append(key, token, pieceOf(piece))),
  complete: ({ key, token, ...piece }) => fate(() => store.complete(key, token, pieceOf(piece))),
  release: ({ key, token, end }) => fate(() => store.release(key, token, { end, cooldownMs: 0 })),
  stepStart: ({ key, token, id }) =>
    fate(() => store.stepStart(key, token, { id, input: 'input', onCrash: 'rerun', maxAttempts: 3 })),
  stepPut: ({ key, token, id, text }) => fate(() => store.stepPut(key, token, { id, value: Buffer.from(text) })),
  act,
  /** One after the other, from one instant on, each after a pause; a successor claims first. */
  actAll: async ({ jobs, who, atMs }) => {
    standUntil(atMs)
    const fates = []
    for (const { key, token, isolation, pauseMs } of jobs) {
      await pause(pauseMs)
      const claimed = token === undefined ? await store.claim({ ...terms, key, owner: `${who} ${key}` }) : { token }
      if (claimed.token === undefined) fates.push(claimed.kind)
      else fates.push(await act({ key, token: claimed.token, who, isolation }))
    }
    return fates
  },
  /** Renews all again and again, until told to stop; what it was told, but for what it was not told at all. */
  keep: ({ held, leaseMs, everyMs }) => {
    const told = []
    let isOver = false
    const work = async () => {
      while (!isOver) {
        const answers = await Promise.all(
          held.map(({ key, token }) => fate(() => store.renew(key, token, { leaseMs }))),
        )
        for (const answer of answers) if (answer.error === undefined) told.push(answer.kind)
        await pause(everyMs)
      }
      return told
    }
    const working = work()
    keeping = () => {
      isOver = true
      return working
    }
  },
  stopKeeping: () => keeping(),
  /** Claims all again and again, until told to stop; what it was granted, and when. */
  contend: ({ keys, owner, leaseMs, everyMs }) => {
    const acquired = []
    let isOver = false
    let asked = 0
    const work = async () => {
      for (let round = 0; !isOver; round++) {
        const claim = key => fate(() => store.claim({ ...terms, key, owner: `${owner} ${round} ${key}`, leaseMs }))
        const answers = await Promise.all(keys.map(claim))
        asked += answers.filter(({ error }) => error === undefined).length
        for (const [at, { kind, attempt }] of answers.entries()) {
          if (kind === 'acquired') acquired.push({ key: keys[at], attempt, atMs: machineMs() })
        }
        await pause(everyMs)
      }
      return { acquired, asked }
    }
    const working = work()
    keeping = () => {
      isOver = true
      return working
    }
  },
})
