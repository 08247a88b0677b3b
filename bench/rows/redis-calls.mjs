import { randomBytes } from 'node:crypto'
import { storeKey } from 'retrysafe/internal/engine/identity'
import { rawFingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import { createKeyedHash } from 'retrysafe/internal/fingerprint/keyed-hash'

export const callers = 64
export const requestBody = Buffer.from(JSON.stringify({ model: 'bench', prompt: 'p'.repeat(1_024 - 30) }))
export const answerBody = randomBytes(768).toString('base64')

const fingerprintKey = createKeyedHash(Buffer.alloc(32, 7))
const request = {
  method: 'POST',
  path: '/v1/things',
  query: '',
  headers: [],
  mediaType: 'application/json',
  parameters: '',
  contentEncoding: '',
  body: requestBody,
}

const run = randomBytes(8).toString('hex')
let number = 0

/** A key that nobody has used. */
export function newKey() {
  return `order-${run}-${number++}`
}

/** A call under a key, as a server's adapter makes it from a request: its name and its fingerprint are computed. */
export function callOf(key) {
  const raw = rawFingerprint(fingerprintKey, request)
  const label = { operation: 'default', tenant: 'tenant00', key }
  const policy = { leaseMs: 30_000, retentionMs: 86_400_000, onCrash: 'rerun', maxAttempts: 3 }
  return { key: storeKey('tenant00', 'default', key), raw, canonical: () => raw, label, waitMs: 0, ...policy }
}

const head = { kind: 'http', status: 200, headers: ['content-type', 'application/json'] }

/** Runs a call whose effect takes no time. */
export async function runIn(engine, key) {
  const entry = await engine.enter(callOf(key))
  must(entry.kind, 'run')
  const { attempt } = entry
  must(await attempt.begin(), 'go')
  attempt.recording.open(head)
  attempt.recording.write(Buffer.from(answerBody))
  must(await attempt.complete(), 'sealed')
}

export async function replayIn(engine, key) {
  const entry = await engine.enter(callOf(key))
  must(entry.kind, 'replay')
  must(entry.replay.body.bytes.length, answerBody.length)
}

export function must(is, wanted) {
  if (is !== wanted) throw new Error(`${is} instead of ${wanted}`)
}
