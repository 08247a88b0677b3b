import type { BatchProgress, BatchStop } from 'retrysafe/internal/batch/file/batch-progress'
import type { BatchSummary } from 'retrysafe/internal/batch/file/run-batch-file'
import { aboutUsdText, counted, countText, durationText, usdText } from './figure-text.ts'

/** What has become of a batch, for people, and what they may do next. */
export function summaryText(summary: BatchSummary, title: string, shownPath: (path: string) => string): string {
  const { done, failed, total, elapsedMs, kept, replayed, output, errors } = summary
  const left = total - done - failed
  const rows: readonly (readonly [string, string])[] = [
    ['done', `${countText(done)} of ${countText(total)}: ${countText(kept)} kept, ${countText(replayed)} replayed`],
    ['failed', countText(failed)],
    ...(left > 0 ? [['left', countText(left)] as const] : []),
    ['tokens', `${countText(summary.inputTokens)} in, ${countText(summary.outputTokens)} out`],
    ['money', moneyText(summary)],
    ['time', durationText(elapsedMs)],
    ['outputs', shownPath(output)],
    ...(failed > 0 ? [['errors', shownPath(errors)] as const] : []),
  ]
  const lines = rows.map(([name, value]) => `  ${name.padEnd(8)} ${value}`)
  return [`Batch ${title}: ${headline(summary)}`, ...lines, ...adviceOf(summary)].join('\n').concat('\n')
}

/** All done, and nothing to do again. `--limit` is no failure: more was not asked for. */
export function hasSucceeded({ failed, stopped, done, total }: BatchSummary): boolean {
  if (stopped !== undefined) return stopped === 'limit' && failed === 0
  return failed === 0 && done === total
}

function headline({ failed, stopped, done, total }: BatchSummary): string {
  if (stopped !== undefined) return stopText(stopped)
  return failed === 0 && done === total ? 'all done' : `done, but for ${counted(total - done, 'item')}`
}

/** Why it ended before its input did. */
export function stopText(stopped: BatchStop): string {
  switch (stopped) {
    case 'limit':
      return 'as many as --limit says'
    case 'max cost':
      return 'stopped, or it would have cost more than --max-cost'
    case 'signal':
      return 'stopped by a signal'
    case 'stalled':
      return 'stopped: nothing answers'
    case 'disk full':
      return 'stopped: no space is left for its files'
    case 'refused':
      return 'stopped: every call is refused'
    case 'error':
      return 'stopped by an error'
  }
}

/** What it has cost, as far as anybody here knows. */
export function moneyText(progress: Pick<BatchProgress, 'usdSpent' | 'usdSaved' | 'withoutPrice' | 'done'>): string {
  const { usdSpent, usdSaved, withoutPrice, done } = progress
  if (done === 0) return 'none spent'
  if (usdSpent === null) return 'unknown: no price is known for its models (--prices FILE)'
  const saved = usdSaved === null || usdSaved === 0 ? '' : `, ${usdText(usdSaved)} saved by what was there already`
  const missing = withoutPrice === 0 ? '' : `; no price is known for ${counted(withoutPrice, 'answer')} (--prices FILE)`
  return `${aboutUsdText(usdSpent, withoutPrice)} spent${saved}${missing}`
}

function adviceOf(summary: BatchSummary): string[] {
  const { unknown = 0 } = summary
  if (unknown === 0) return adviceOnTheRest(summary)
  const whose = `${counted(unknown, 'item')} may have been paid for (OUTCOME_UNKNOWN), and will not be sent again`
  const advice = `${whose}: look at the provider; with another custom_id it is a new item.`
  return [advice, ...adviceOnTheRest({ ...summary, failed: summary.failed - unknown, total: summary.total - unknown })]
}

function adviceOnTheRest({ failed, stopped, total, done }: BatchSummary): string[] {
  const left = total - done - failed
  const again = 'The same command again goes on where it stopped; what is done is not paid for again.'
  if (stopped === undefined || stopped === 'limit') {
    if (failed > 0) return [`Run the same command again to try the ${counted(failed, 'failed item')} again.`]
    return left > 0 ? [`Run the same command again for the ${counted(left, 'item')} left.`] : []
  }
  switch (stopped) {
    case 'max cost':
      return [`Raise --max-cost. ${again}`]
    case 'disk full':
      return [`Make room. ${again}`]
    case 'refused':
      return ['Look at the errors: the key, the model or the URL is not taken. Then run the same command again.']
    case 'signal':
    case 'stalled':
    case 'error':
      return [again]
  }
}
