import { randomBytes } from 'node:crypto'
import { lmdbStore } from 'retrysafe/stores/lmdb'
import { answerParent, machineMs, settings } from '../../programs/answer-parent.mjs'
import { hashOf } from '../../programs/recorded-store.mjs'

const store = lmdbStore({ path: settings.path })
const label = { operation: 'follow', tenant: 'tenant00' }
let token
let lengthBytes = 0
const followedAt = []
const sent = []
let appending

let subscription
const received = []
const arrivals = []

/** One piece: when it was handed over, and whether somebody follows. */
async function append(key) {
  const bytes = randomBytes(100 + Math.floor(Math.random() * 400))
  const appendedAtMs = machineMs()
  const answer = await store.append(key, token, { offsetBytes: lengthBytes, bytes })
  if (answer.kind !== 'ok') throw new Error(`append: ${JSON.stringify(answer)}`)
  lengthBytes += bytes.byteLength
  sent.push({ endBytes: lengthBytes, appendedAtMs, bytes })
  if (followedAt.at(-1)?.followed !== answer.followed) followedAt.push({ followed: answer.followed, atMs: machineMs() })
}

/** Reads what is new, on every hint. */
async function readOn(key, fence) {
  const from = received.reduce((sum, bytes) => sum + bytes.byteLength, 0)
  const read = await store.read(key, fence, from, 1_000_000)
  if (read.kind !== 'bytes') throw new Error(`read: ${JSON.stringify(read)}`)
  if (read.bytes.byteLength === 0) return read
  received.push(Buffer.from(read.bytes))
  arrivals.push({ endBytes: from + read.bytes.byteLength, atMs: machineMs() })
  return readOn(key, fence)
}

answerParent({
  claim: async ({ key }) => {
    const terms = {
      key,
      raw: 'raw',
      owner: 'owner',
      leaseMs: 600_000,
      retentionMs: 600_000,
      onCrash: 'rerun',
      maxAttempts: 3,
    }
    token = (await store.claim({ ...terms, label })).token
    return token
  },
  /** Appends every 20 ms. */
  start: ({ key }) => {
    const next = async () => {
      await append(key)
      appending = setTimeout(next, 20)
    }
    return next()
  },
  /** How much was sent, and since when it was, or was not, followed. */
  progress: () => ({ pieces: sent.length, followedAt }),
  end: async ({ key }) => {
    clearTimeout(appending)
    await store.complete(key, token, { offsetBytes: lengthBytes, bytes: Buffer.alloc(0) })
    const pieces = sent.map(({ endBytes, appendedAtMs }) => ({ endBytes, appendedAtMs }))
    return { pieces, lengthBytes, hash: hashOf(Buffer.concat(sent.map(({ bytes }) => bytes))) }
  },
  follow: ({ key, fence }) => {
    let reading = Promise.resolve()
    subscription = store.subscribe(key, () => {
      reading = reading.then(() => readOn(key, fence))
    })
    reading = reading.then(() => readOn(key, fence))
    return reading.then(() => 'follows')
  },
  leave: () => subscription.close(),
  /** What came by hints alone. */
  received: () => ({
    arrivals,
    lengthBytes: received.reduce((sum, bytes) => sum + bytes.byteLength, 0),
    hash: hashOf(Buffer.concat(received)),
  }),
})
