import { selectWatcher } from '../../src/providers/select.ts'
import type { Report } from '../../src/providers/usage.ts'
import type { AnswerHead } from '../../src/providers/watcher.ts'
import { splitAt } from '../support/split.ts'

export interface Watched {
  verdict: string
  terminalAtBytes: number | undefined
  report: Report
}

/** What a watcher says of an answer that came in these pieces. */
export function watch(head: AnswerHead, pieces: readonly Uint8Array[], clean = true): Watched {
  const watcher = selectWatcher(head)
  for (const piece of pieces) watcher.write(piece)
  const { terminalAtBytes } = watcher
  const verdict = watcher.end(clean).kind
  return { verdict, terminalAtBytes, report: watcher.report }
}

/** The same of an answer that came whole, and ended as it should. */
export function watchText(head: AnswerHead, text: string, clean = true): Watched {
  return watch(head, [Buffer.from(text)], clean)
}

/** The same of an answer that came byte by byte. */
export function watchBytes(head: AnswerHead, text: string, clean = true): Watched {
  const bytes = Buffer.from(text)
  const cuts = Array.from({ length: bytes.length }, (_unused, at) => at)
  return watch(head, splitAt(bytes, cuts), clean)
}

/** One answer as its provider sends it, and what is to be said of it. */
export interface Transcript {
  name: string
  head: AnswerHead
  text: string
  verdict: 'complete' | 'incomplete' | 'error'
  /** What it is when the connection breaks right after it: without a value, the same. */
  cut?: 'incomplete'
  /** How the terminal frame begins. */
  terminal?: string
  model?: string
  /** Input, of that read from a cache, of that written to one, output. */
  usage?: readonly [number | undefined, number | undefined, number | undefined, number | undefined]
}

export function expectedOf({ text, verdict, terminal, model, usage }: Transcript): Watched {
  const terminalAtBytes =
    terminal === undefined ? undefined : Buffer.byteLength(text.slice(0, text.lastIndexOf(terminal)))
  const [inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens] = usage ?? []
  const counts = { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens }
  return { verdict, terminalAtBytes, report: { model, usage: usage === undefined ? undefined : counts } }
}
