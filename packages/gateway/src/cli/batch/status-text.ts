import type { BatchStatus } from 'retrysafe/internal/batch/file/status-file'
import { shownPath, titleOf } from './batch-title.ts'
import { counted, countText, durationText, percentOf, rateText } from './figure-text.ts'
import { moneyText, stopText } from './summary-text.ts'
import { waitText } from './wait-text.ts'

/** Where a batch stands, for people. */
export function statusText(status: BatchStatus): string {
  const { done, failed, total, kept, replayed, output, errors } = status
  const rows: readonly (readonly [string, string])[] = [
    ['done', `${countText(done)} of ${countText(total)} (${percentOf(done + failed, total)} % settled)`],
    ['', `${countText(kept)} kept, ${countText(replayed)} replayed in that run`],
    ['failed', countText(failed)],
    ...paceOf(status),
    ['tokens', `${countText(status.inputTokens)} in, ${countText(status.outputTokens)} out`],
    ['money', moneyText(status)],
    ['started', `${status.startedAt}, ran for ${durationText(status.elapsedMs)}`],
    ['updated', status.updatedAt],
    ['input', shownPath(status.input)],
    ['outputs', shownPath(output)],
    ...(failed > 0 ? [['errors', shownPath(errors)] as const] : []),
  ]
  const lines = rows.map(([name, value]) => `  ${name.padEnd(8)} ${value}`)
  return [`Batch ${titleOf(status)}: ${stateText(status)}`, ...lines].join('\n').concat('\n')
}

function stateText({ state, phase, pid, failed, stopped }: BatchStatus): string {
  switch (state) {
    case 'running':
      return `${phase} (process ${pid})`
    case 'killed':
      return `killed (process ${pid} is gone): the same command again goes on where it stopped`
    case 'stopped':
      return stopped === undefined ? 'stopped' : stopText(stopped)
    case 'ended':
      return failed === 0 ? 'all done' : `ended, but for ${counted(failed, 'item')}`
  }
}

function paceOf(status: BatchStatus): [string, string][] {
  const { state, inFlight, limit, perSecond, etaMs } = status
  if (state !== 'running') return []
  const eta = etaMs === undefined ? '' : `, ETA ${durationText(etaMs)}`
  const wait = waitText(status)
  return [
    ['pace', `${countText(inFlight)} of ${countText(limit)} in flight, ${rateText(perSecond)}${eta}`],
    ...(wait === undefined ? [] : [['waiting', wait] satisfies [string, string]]),
  ]
}
