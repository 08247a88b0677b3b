import { codingsOf, decodeContent } from 'retrysafe/internal/fingerprint/content-coding'
import { selectWatcher } from 'retrysafe/internal/providers/select'
import type { Usage } from 'retrysafe/internal/providers/usage'
import { mediaTypeOf } from 'retrysafe/internal/server/request-head'
import { AnswerTooLong, type ExchangeAnswer } from './exchange.ts'
import { hasNoOutput } from './money.ts'

/** What a whole answer turned out to be. */
export type JudgedAnswer =
  | {
      readonly kind: 'success'
      readonly body: string
      readonly model: string | undefined
      readonly usage: Usage | undefined
    }
  /** It says itself that it failed, by its status or inside of a success. */
  | { readonly kind: 'failure'; readonly body: string; readonly reason: string }
  /** A success of which the end is missing. */
  | { readonly kind: 'incomplete'; readonly reason: string }

/** Of a failure's body, as much is kept as says what is wrong. */
const maxFailureBytes = 65_536

/**
 * Says of an answer what an SDK would only find out at its use.
 *
 * @param path of the request, without query
 * @throws {AnswerTooLong} decoded, it is longer than anybody here takes
 */
export function judgeAnswer(path: string, answer: ExchangeAnswer, maxBytes: number): JudgedAnswer {
  const { status, headers } = answer
  const decoded = decode(answer, maxBytes)
  if (decoded === undefined) {
    return {
      kind: 'incomplete',
      reason: 'its answer is encoded in a way that cannot be decoded, although not asked to',
    }
  }
  if (status < 200 || status > 299) {
    return { kind: 'failure', body: beginOf(decoded), reason: `it answered ${status}` }
  }
  // Without a type it is taken for what was asked for, and shows by itself whether it is whole.
  const watcher = selectWatcher({ path, mediaType: mediaTypeOf(headers['content-type'] || 'application/json') })
  watcher.write(decoded)
  const verdict = watcher.end(true)
  switch (verdict.kind) {
    case 'complete': {
      const { model, usage } = watcher.report
      return { kind: 'success', body: textOf(decoded), model, usage: wholeUsage(path, usage) }
    }
    case 'error':
      return { kind: 'failure', body: beginOf(decoded), reason: verdict.reason }
    case 'incomplete':
      return { kind: 'incomplete', reason: verdict.reason }
  }
}

function wholeUsage(path: string, usage: Usage | undefined): Usage | undefined {
  if (usage === undefined || usage.outputTokens !== undefined || !hasNoOutput(path)) return usage
  return { ...usage, outputTokens: 0 }
}

function decode({ headers, bytes }: ExchangeAnswer, maxBytes: number): Uint8Array | undefined {
  const codings = codingsOf(headers['content-encoding'] ?? '')
  if (codings.length === 0 || bytes.byteLength === 0) return bytes
  const decoding = decodeContent(codings, bytes, maxBytes)
  if (decoding.kind === 'decoded') return decoding.bytes
  if (/MAX_DECODED_BYTES/.test(decoding.reason)) throw new AnswerTooLong(`its answer has ${decoding.reason}`)
  return undefined
}

/** Cut anywhere, also inside a character. */
function beginOf(bytes: Uint8Array): string {
  return bytes.byteLength <= maxFailureBytes
    ? textOf(bytes)
    : new TextDecoder().decode(bytes.subarray(0, maxFailureBytes))
}

/** What is no text is told as JSON that holds its bytes. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return JSON.stringify({ base64: Buffer.from(bytes).toString('base64') })
  }
}
