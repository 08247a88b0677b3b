import { randomBytes } from 'node:crypto'
import type { Surroundings } from './clock.ts'

/** The real clock, timers and randomness of this process: the one place in the library that touches them. */
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
    bytes: length => randomBytes(length),
    unit: () => Math.random(),
  },
}
