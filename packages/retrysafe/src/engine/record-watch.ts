import { type Surroundings, within } from './clock.ts'
import type { StoreKey } from './record.ts'
import type { Store } from './store.ts'

/** Wakes at hints and, beneath them, by jittered polling. */
export interface RecordWatch {
  /** Resolves after a change, perhaps, and after `maxMs` or the polling interval at the latest; false once closed. */
  next(maxMs: number): Promise<boolean>
  close(): void
}

/** Begins to watch: whoever reads after this misses no change. Ends with `close`, or when `signal` fires. */
export function watchRecord(
  store: Store,
  key: StoreKey,
  { timers, random }: Surroundings,
  signal?: AbortSignal,
): RecordWatch {
  let hinted = false
  let closed = false
  let wake: () => void = () => {}
  const subscription = store.subscribe(key, () => {
    hinted = true
    wake()
  })

  function close(): void {
    if (closed) return
    closed = true
    signal?.removeEventListener('abort', close)
    subscription.close()
    wake()
  }
  if (signal?.aborted) close()
  else signal?.addEventListener('abort', close)

  return {
    async next(maxMs) {
      if (!hinted && !closed) {
        const woken = new Promise<void>(resolve => {
          wake = resolve
        })
        await within(woken, timers, Math.min(maxMs, store.traits.pollMs * (0.5 + random.unit())))
      }
      hinted = false
      return !closed
    },
    close,
  }
}
