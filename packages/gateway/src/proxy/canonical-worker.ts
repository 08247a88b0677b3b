import { parentPort } from 'node:worker_threads'
import { type BodyInput, canonicalBody } from 'retrysafe/internal/fingerprint/canonical-body'

// The whole of the thread that canonical-bodies.ts starts: a body in, its digest out. It never sees a key.
parentPort?.on('message', (input: BodyInput) => {
  parentPort?.postMessage(canonicalBody(input))
})
