import type { BatchProgress } from 'retrysafe/internal/batch/file/batch-progress'
import { counted, durationText } from './figure-text.ts'

type Waiting = Pick<BatchProgress, 'heldMs' | 'trouble' | 'awaited' | 'inFlight'>

/** How long a batch is held back, or what it waits for, and why; `undefined` where it is not. */
export function waitText({ heldMs, trouble, awaited = 0, inFlight }: Waiting): string | undefined {
  // Of less than half a second nobody reads.
  if (heldMs < 500) {
    if (awaited === 0 || inFlight > 0) return undefined
    return `for ${counted(awaited, 'item')}: ${trouble ?? 'taken by another run, or by one that died (--lease)'}`
  }
  // What an error is called in code says nothing to people.
  const why = trouble?.replace(/^(BatchRefusal|\w*Error): /, '')
  return `${durationText(heldMs)}: ${why ?? 'the upstream asked for it, or is out of reach'}`
}
