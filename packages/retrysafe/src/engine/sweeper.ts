import type { Surroundings, Timer } from './clock.ts'
import type { Store } from './store.ts'

const sweepRecords = 1_000
const idleMs = 10_000
const busyMs = 50

/** Removes expired records in bounded portions, so that no request waits behind a large sweep. */
export function startSweeping(store: Store, { timers, random }: Surroundings): { stop(): void } {
  let timer: Timer | undefined
  let stopped = false

  async function sweep(): Promise<void> {
    const removed = await store.sweep(sweepRecords).catch(() => 0)
    again(removed === sweepRecords ? busyMs : idleMs)
  }

  function again(delayMs: number): void {
    if (!stopped) timer = timers.after(delayMs * (0.5 + random.unit()), () => void sweep())
  }

  again(idleMs)
  return {
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
