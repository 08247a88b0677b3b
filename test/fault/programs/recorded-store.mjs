import { createHash } from 'node:crypto'

const retentionMs = 3_600_000
const maxAttempts = 100
const label = { operation: 'load', tenant: 'tenant00' }

export const hashOf = bytes => createHash('sha256').update(bytes).digest('base64url')

/** A store whose every step is written to the history before it is asked and after it is answered. */
export function recordedStore(store, history, leaseMs = 30_000) {
  return {
    async claim(key, owner, onCrash) {
      const raw = `raw of ${key}`
      const returned = history.invoke(key, { step: 'claim', owner, raw, leaseMs, retentionMs, onCrash, maxAttempts })
      const answer = await store.claim({ key, raw, owner, leaseMs, retentionMs, onCrash, maxAttempts, label })
      if (answer.kind !== 'completed') {
        returned(claimResult(answer))
        return answer
      }
      // A large outcome is read piece by piece, and whoever reads it is told later.
      const value = hashOf(await wholeLog(store, key, answer))
      returned({ kind: 'completed', fence: answer.fence, value })
      return { kind: 'completed', fence: answer.fence, value }
    },
    async mark(key, token) {
      const returned = history.invoke(key, { step: 'renew', ...token, leaseMs, sent: true })
      const answer = await store.renew(key, token, { leaseMs, sent: true })
      returned(answer.kind === 'ok' ? { kind: 'ok', cancelled: answer.cancelled } : answer)
      return answer.kind
    },
    async append(key, token, piece) {
      const returned = history.invoke(key, { step: 'append', ...token })
      const answer = await store.append(key, token, piece)
      returned({ kind: answer.kind })
      return answer.kind
    },
    async complete(key, token, piece, value) {
      const returned = history.invoke(key, { step: 'complete', ...token, value })
      const kind = await store.complete(key, token, piece)
      returned({ kind })
      return kind
    },
    async release(key, token, end, cooldownMs) {
      const returned = history.invoke(key, { step: 'release', ...token, end, cooldownMs })
      const kind = await store.release(key, token, { end, cooldownMs })
      returned({ kind })
      return kind
    },
  }
}

async function wholeLog(store, key, { fence, log }) {
  if (log.bytes !== undefined) return log.bytes
  const pieces = []
  for (let at = 0; at < log.lengthBytes; ) {
    const read = await store.read(key, fence, at, 1_000_000)
    // What is gone makes a value that nobody completed: the history and the auditor see it.
    if (read.kind !== 'bytes' || read.bytes.byteLength === 0) return Buffer.from(`${key}: ${JSON.stringify(read)}`)
    pieces.push(Buffer.from(read.bytes))
    at += read.bytes.byteLength
  }
  return Buffer.concat(pieces)
}

function claimResult(answer) {
  switch (answer.kind) {
    case 'acquired': {
      const { fence, owner } = answer.token
      return { kind: 'acquired', fence, owner, attempt: answer.attempt, sent: answer.sent }
    }
    case 'running':
    case 'undecided':
    case 'cooling':
      return { kind: answer.kind, fence: answer.fence }
    case 'unknown':
      return { kind: 'unknown', attempt: answer.attempt }
    case 'mismatch':
      return { kind: 'mismatch' }
  }
}
