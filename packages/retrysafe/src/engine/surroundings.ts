import type { Surroundings } from './clock.ts'

/** Strong randomness costs the same for 4 KiB as for 16 bytes; every byte is given out once. */
let pool = new Uint8Array(0)

function poolBytes(length: number): Uint8Array {
  if (pool.byteLength < length) pool = crypto.getRandomValues(new Uint8Array(Math.max(4_096, length)))
  const bytes = pool.subarray(0, length)
  pool = pool.subarray(length)
  return bytes
}

/**
 * The real clock, timers and randomness of this process: the one place in the library that touches them. Of the web
 * platform alone, so that a client has them too wherever it runs.
 */
export const processSurroundings: Surroundings = {
  clock: {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
  },
  timers: {
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs)
      return { cancel: () => clearTimeout(timer) }
    },
  },
  random: {
    bytes: poolBytes,
    unit: () => Math.random(),
  },
}
