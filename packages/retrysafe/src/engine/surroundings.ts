import { randomFillSync } from 'node:crypto'
import type { Surroundings } from './clock.ts'

/** Strong randomness costs the same for 4 KiB as for 16 bytes; every byte is given out once. */
const pool = Buffer.alloc(4_096)
let usedBytes = pool.byteLength

function poolBytes(length: number): Uint8Array {
  if (length > pool.byteLength) return randomFillSync(Buffer.alloc(length))
  if (usedBytes + length > pool.byteLength) {
    randomFillSync(pool)
    usedBytes = 0
  }
  const bytes = Buffer.from(pool.subarray(usedBytes, usedBytes + length))
  pool.fill(0, usedBytes, usedBytes + length)
  usedBytes += length
  return bytes
}

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
    bytes: poolBytes,
    unit: () => Math.random(),
  },
}
