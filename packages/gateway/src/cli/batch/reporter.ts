import type { BatchProgress } from 'retrysafe/internal/batch/file/batch-progress'
import type { BatchSummary } from 'retrysafe/internal/batch/file/run-batch-file'
import { counted } from './figure-text.ts'

/** Tells people, or a program, how a batch goes. */
export interface Reporter {
  progress(progress: BatchProgress): void
  /** What may come often: only the first ones are shown. */
  warn(message: string): void
  /** What is said once, and to be seen. */
  tell(message: string): void
  /** The last word; nothing more is told. */
  end(summary: BatchSummary): void
  /** No summary comes: it failed. */
  abandon(): void
}

/** Warnings that are shown one by one. */
const maxWarnings = 20

/** The first ones as they come, the rest as a number: a million bad items must not bury everything else. */
export function boundedWarnings(print: (line: string) => void): { warn(message: string): void; end(): void } {
  let count = 0
  let last = ''
  return {
    warn(message) {
      count++
      last = message
      if (count <= maxWarnings) print(message)
      if (count === maxWarnings) print('more of these are counted, and not shown')
    },
    end() {
      // The last one may say why it ended.
      if (count > maxWarnings) print(`and ${counted(count - maxWarnings, 'more warning')}, the last one: ${last}`)
      count = 0
    },
  }
}

/** Whether so much time has passed since it last said yes. */
export function everyMs(periodMs: number): () => boolean {
  let nextMs = 0
  return () => {
    const nowMs = performance.now()
    if (nowMs < nextMs) return false
    nextMs = nowMs + periodMs
    return true
  }
}
