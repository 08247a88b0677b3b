import { doubtful, type Finding, fine } from './finding.ts'

/** Further apart, and times in logs and in `Age` puzzle people. */
const mostMs = 1_000
const tries = 3

/**
 * The clocks of this machine and of the server, as well as the way between them lets one tell.
 *
 * @param ask the server's time, in ms since the epoch
 */
export async function examineClock(ask: () => Promise<number>): Promise<Finding> {
  let best = { offsetMs: 0, tripMs: Number.POSITIVE_INFINITY }
  for (let count = 0; count < tries; count++) {
    const sentMs = Date.now()
    const ms = await ask()
    const tripMs = Date.now() - sentMs
    if (tripMs < best.tripMs) best = { offsetMs: Math.round(ms - (sentMs + tripMs / 2)), tripMs }
  }
  return judgeClock(best.offsetMs, Math.ceil(best.tripMs / 2))
}

/** @param offsetMs what the server's clock is ahead of this machine's, give or take `uncertainMs` */
export function judgeClock(offsetMs: number, uncertainMs: number): Finding {
  const ahead = offsetMs < 0 ? 'behind' : 'ahead of'
  const says = `the server's clock is ${Math.abs(offsetMs)} ms ${ahead} this machine's (± ${uncertainMs} ms)`
  if (Math.abs(offsetMs) - uncertainMs <= mostMs) return fine('clock', says)
  const means = "leases and retention go by the server's alone and are safe; times in logs do not agree"
  return doubtful('clock', `${says}: ${means}`, 'run NTP on both')
}
