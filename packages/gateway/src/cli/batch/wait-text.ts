import type { BatchProgress } from 'retrysafe/internal/batch/file/batch-progress'
import { durationText } from './figure-text.ts'

/** How long a batch is held back, and why; `undefined` where it is not. */
export function waitText({ heldMs, trouble }: Pick<BatchProgress, 'heldMs' | 'trouble'>): string | undefined {
  if (heldMs <= 0) return undefined
  // What an error is called in code says nothing to people.
  const why = trouble?.replace(/^(BatchRefusal|\w*Error): /, '')
  return `${durationText(heldMs)}: ${why ?? 'the upstream asked for it, or is out of reach'}`
}
