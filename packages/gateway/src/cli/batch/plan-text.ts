import type { BatchPlan, BatchPlanModel } from 'retrysafe/internal/batch/file/batch-plan'
import { counted, countText, usdText } from './figure-text.ts'
import { assumedOutputTokens } from './money.ts'

/** Of the table. */
const maxModels = 20

/** What `--dry-run` says: what would be sent, and what it may cost. */
export function planText({ total, kept, toSend, models, usd }: BatchPlan): string {
  const shown = [...models].sort((one, other) => other.items - one.items).slice(0, maxModels)
  const table = columns([
    ['model', 'items', 'tokens in', 'out at most', 'USD at most'],
    ...shown.map(rowOf),
    ...(models.length > 1 ? [sumOf(models, toSend, usd)] : []),
  ])
  return [
    `${counted(total, 'item')}: ${countText(kept)} done before, ${countText(toSend)} to send. Nothing was sent.`,
    ...(toSend === 0 ? [] : table.map(line => `  ${line}`)),
    ...(models.length > maxModels
      ? [`  and ${counted(models.length - maxModels, 'more model')}: --json has them all`]
      : []),
    ...(toSend === 0 ? [] : notes(models)),
  ]
    .join('\n')
    .concat('\n')
}

function notes(models: readonly BatchPlanModel[]): string[] {
  const isUnbounded = models.some(({ outputTokensAtMost }) => outputTokensAtMost === undefined)
  const isUnpriced = models.some(({ usd }) => usd === undefined)
  return [
    'Estimated: a token for 4 bytes in, all the output that a body allows, list prices without discounts.',
    ...(isUnbounded
      ? [`A body that sets no bound is taken for ${countText(assumedOutputTokens)} tokens out; it may be more.`]
      : []),
    ...(isUnpriced ? ['Some prices are unknown: --prices FILE takes your own.'] : []),
    'What the store has recorded already would be replayed, and not paid for.',
  ]
}

function rowOf({ model, items, inputTokensAbout, outputTokensAtMost, usd }: BatchPlanModel): string[] {
  const name = (model ?? '(none named)').slice(0, 40)
  const output = outputTokensAtMost === undefined ? 'no bound' : countText(outputTokensAtMost)
  return [name, countText(items), `about ${countText(inputTokensAbout)}`, output, moneyText(usd)]
}

function sumOf(models: readonly BatchPlanModel[], toSend: number, usd: number | undefined): string[] {
  const inputTokens = models.reduce((sum, { inputTokensAbout }) => sum + inputTokensAbout, 0)
  return ['all', countText(toSend), `about ${countText(inputTokens)}`, '', moneyText(usd)]
}

function moneyText(usd: number | undefined): string {
  return usd === undefined ? 'unknown' : usdText(usd)
}

/** The first column to the left, figures to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0)))
  return rows.map(row =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
  )
}
