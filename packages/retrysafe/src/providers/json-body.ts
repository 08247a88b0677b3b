import { parseJson, saysError } from './json.ts'
import type { AnswerWatcher } from './watcher.ts'

/** Larger bodies are taken at their framing's word. */
const maxParsedBytes = 8 * 1_048_576

/** A plain JSON answer: whole when it parses, failed when all it holds is an `error` object. */
export function watchJsonBody(): AnswerWatcher {
  const chunks: Uint8Array[] = []
  let lengthBytes = 0
  return {
    write(bytes) {
      lengthBytes += bytes.byteLength
      if (lengthBytes <= maxParsedBytes) chunks.push(bytes)
      else chunks.length = 0
    },
    terminalAtBytes: undefined,
    heldFromBytes: undefined,
    end(clean) {
      if (!clean) return { kind: 'incomplete', reason: 'the body was cut' }
      if (lengthBytes > maxParsedBytes) return { kind: 'complete' }
      const value = parseJson(Buffer.concat(chunks).toString('utf8'))
      if (value === undefined) return { kind: 'incomplete', reason: 'the body is no whole JSON document' }
      if (saysError(value)) return { kind: 'error', reason: 'an error inside a success status' }
      return { kind: 'complete' }
    },
  }
}
