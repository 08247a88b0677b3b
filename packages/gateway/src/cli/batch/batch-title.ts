import { relative } from 'node:path'
import type { BatchProgress } from 'retrysafe/internal/batch/file/batch-progress'

/** What people call a batch: its id, or the file that it writes where that is its id. */
export function titleOf({ batchId, output }: Pick<BatchProgress, 'batchId' | 'output'>): string {
  return batchId === output ? shownPath(output) : batchId
}

/** A path below here is shown as one writes it. */
export function shownPath(path: string): string {
  const from = relative(process.cwd(), path)
  return from === '' || from.startsWith('..') ? path : from
}
