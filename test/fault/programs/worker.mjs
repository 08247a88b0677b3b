import { randomBytes } from 'node:crypto'
import { openStore } from 'retrysafe/internal/stores/open'
import { openAcknowledgements, openHistory, openLedger } from './answer-log.mjs'
import { answerParent, machineMs, settings, tell } from './answer-parent.mjs'
import { hashOf, recordedStore } from './recorded-store.mjs'

/**
 * `settings`: url (of the store), history, acknowledgements and ledger (files), callers, startMs, keysPerSecond,
 * keysAtOnce, frees, leaseMs, insists (sends a completion again until it is answered)
 */
const acknowledge = openAcknowledgements(settings.acknowledgements)
const effect = openLedger(settings.ledger)
const store = recordedStore(await openStore(settings.url), openHistory(settings.history), settings.leaseMs)
let acknowledged = 0
let refused = 0

const chance = share => Math.random() < share
const below = count => Math.floor(Math.random() * count)

/**
 * All workers draw from the same window of keys, which moves on with time. While it is not full, from what is in it: a
 * first key that stands for all that are not there yet is asked for too often for any checker.
 */
function pickKey() {
  const newest = Math.floor(((machineMs() - settings.startMs) / 1_000) * settings.keysPerSecond)
  return `key-${newest - below(Math.min(settings.keysAtOnce, newest + 1))}`
}

/** All who claim a key agree on its policy. */
const onCrashOf = key => (Number(key.slice(4)) % 4 === 0 ? 'fail' : 'rerun')

async function call(key) {
  const answer = await store.claim(key, randomBytes(16).toString('base64url'), onCrashOf(key))
  if (answer.kind === 'acquired') await run(key, answer.token, answer.attempt)
}

async function run(key, token, attempt) {
  if (onCrashOf(key) === 'fail' && (await store.mark(key, token)) !== 'ok') return
  effect('dispatched', key, token, attempt)
  const outcome = makeOutcome(key, token)
  let at = 0
  while (at < outcome.byteLength && chance(0.5)) {
    const bytes = outcome.subarray(at, at + 1 + below(outcome.byteLength - at))
    if ((await store.append(key, token, { offsetBytes: at, bytes })) !== 'ok') return
    at += bytes.byteLength
  }
  if (chance(0.1)) {
    const end = ends[below(ends.length)]
    if (end !== 'broken') effect('reported', key, token, attempt)
    return void (await store.release(key, token, end, below(2) * 20))
  }
  const value = hashOf(outcome)
  const piece = { offsetBytes: at, bytes: outcome.subarray(at) }
  const kind = await completed(() => store.complete(key, token, piece, value))
  // `dup` only to who asked twice: nobody else has the token.
  if (kind !== 'ok' && !(kind === 'dup' && settings.insists)) return
  acknowledge({ key, fence: token.fence, hash: value })
  acknowledged++
}

/** What the store says in the end. A completion without an answer may or may not have been made: it is safe to repeat. */
async function completed(ask) {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (error.code !== 'STORE_UNAVAILABLE' || !settings.insists) throw error
      await refusedOnce()
    }
  }
}

/** Each attempt has other bytes; now and then more than a row holds. */
function makeOutcome(key, token) {
  const length = chance(0.01) ? 70_000 + below(100_000) : 100 + below(3_000)
  const text = `${key} ${token.fence} ${token.owner} `
  return Buffer.alloc(length, text)
}

const ends = settings.frees ? ['free', 'failed', 'broken'] : ['failed', 'broken']

/** Calls until told to stop. */
async function work() {
  while (!stopped) {
    try {
      await call(pickKey())
    } catch (error) {
      // The step may or may not have been made: the history says so, and the call goes on as another one.
      if (error.code !== 'STORE_UNAVAILABLE') throw error
      await refusedOnce()
    }
  }
}

async function refusedOnce() {
  refused++
  // Refused at once while older writes hang, or while there is no server.
  await new Promise(resolve => setTimeout(resolve, 20))
}

let stopped = false
const callers = Array.from({ length: settings.callers }, work)
Promise.all(callers).catch(error => {
  console.error(error)
  process.exit(70)
})
const progress = setInterval(() => tell({ acknowledged }), 5)

answerParent({
  ready: () => 'ready',
  /** Claims what a killed process held: the answer, and when. */
  seize: async ({ key, owner }) => {
    const { kind, fence } = await store.claim(key, owner, onCrashOf(key))
    return { kind, fence, atMs: machineMs() }
  },
  finish: async () => {
    stopped = true
    clearInterval(progress)
    await Promise.all(callers)
    return { acknowledged, refused }
  },
})
