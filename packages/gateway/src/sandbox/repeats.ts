import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Answer } from './answer.ts'
import { boundaryIn, withBoundary } from './form.ts'

/** As many answers are kept, the newest ones. */
export const MAX_REPEATS = 10_000
/** As much memory they take, roughly: the bodies of the requests and of the plain answers. */
export const MAX_REPEAT_BYTES = 67_108_864

/** Whose key it is and what it came with; both are hashes, so that no credential is kept. */
export interface KeyUse {
  readonly slot: string
  readonly fingerprint: string
}

export type Finding =
  | { readonly kind: 'new' }
  | { readonly kind: 'repeat'; readonly answer: Answer }
  /** The key was used for another request. */
  | { readonly kind: 'reused' }

interface Kept {
  readonly fingerprint: string
  readonly answer: Answer
  readonly weightBytes: number
}

/** The answers of a provider that honours idempotency keys, as they were before any fault touched them. */
export class Repeats {
  readonly #kept = new Map<string, Kept>()
  #weightBytes = 0

  find({ slot, fingerprint }: KeyUse): Finding {
    const kept = this.#kept.get(slot)
    if (kept === undefined) return { kind: 'new' }
    return kept.fingerprint === fingerprint ? { kind: 'repeat', answer: kept.answer } : { kind: 'reused' }
  }

  /** @param bodyBytes length of the request's body; the words of a stream's answer are held in as much */
  keep({ slot, fingerprint }: KeyUse, answer: Answer, bodyBytes: number): void {
    const weightBytes = bodyBytes + (answer.kind === 'plain' ? answer.body.length : 0)
    this.#kept.set(slot, { fingerprint, answer, weightBytes })
    this.#weightBytes += weightBytes
    // A Map keeps the order of insertion: the first is the oldest.
    for (const [oldest, { weightBytes: freedBytes }] of this.#kept) {
      if (this.#kept.size <= MAX_REPEATS && this.#weightBytes <= MAX_REPEAT_BYTES) return
      this.#kept.delete(oldest)
      this.#weightBytes -= freedBytes
    }
  }

  reset(): void {
    this.#kept.clear()
    this.#weightBytes = 0
  }
}

/** What key a request uses, undefined where it uses none. Another credential's key is another key. */
export function keyUseOf(headers: IncomingHttpHeaders, path: string, query: string, body: Buffer): KeyUse | undefined {
  const { 'idempotency-key': key, authorization, 'x-api-key': xApiKey, 'api-key': apiKey } = headers
  if (typeof key !== 'string' || key === '') return undefined
  const caller = [authorization, xApiKey, apiKey, headers['x-goog-api-key'], new URLSearchParams(query).get('key')]
  const boundary = boundaryIn(headers['content-type'] ?? '')
  return {
    slot: createHash('sha256')
      .update(JSON.stringify([key, caller]))
      .digest('base64'),
    fingerprint: createHash('sha256')
      .update(`${path}?${query}\n`)
      // SDKs draw a new boundary at every retry of the same form.
      .update(boundary === undefined ? body : withBoundary(body, boundary, ''))
      .digest('base64'),
  }
}
