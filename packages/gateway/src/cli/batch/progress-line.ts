import type { BatchProgress } from 'retrysafe/internal/batch/file/batch-progress'
import { aboutUsdText, countText, durationText, percentOf, rateText, shortCountText, usdText } from './figure-text.ts'
import { waitText } from './wait-text.ts'

/** Where a batch stands, in one line: for logs. */
export function progressLine(progress: BatchProgress): string {
  const { done, failed, total, inFlight, limit, kept, replayed, perSecond, etaMs } = progress
  const wait = waitText(progress)
  const { inputTokens, outputTokens, usdSpent, usdSaved, withoutPrice } = progress
  return [
    `${countText(done)} of ${countText(total)} done (${percentOf(done + failed, total)} %)`,
    `${countText(failed)} failed`,
    `${countText(inFlight)} of ${countText(limit)} in flight`,
    `${countText(kept)} kept`,
    `${countText(replayed)} replayed`,
    rateText(perSecond),
    ...(etaMs === undefined ? [] : [`ETA ${durationText(etaMs)}`]),
    `tokens ${shortCountText(inputTokens)} in ${shortCountText(outputTokens)} out`,
    ...(usdSpent === null ? [] : [`${aboutUsdText(usdSpent, withoutPrice)} spent`]),
    ...(usdSaved === null || usdSaved === 0 ? [] : [`${usdText(usdSaved)} saved`]),
    ...(wait === undefined ? [] : [`waiting ${wait}`]),
  ].join(', ')
}

/** A quarter that a batch has come to since the last line, from 0 to 3. */
export function quarterOf({ done, failed, total }: BatchProgress): number {
  return Math.min(3, Math.floor(percentOf(done + failed, total) / 25))
}
