import { batchItemKey } from '../item-key.ts'
import type { BatchFileOptions } from './batch-file-options.ts'
import type { BatchFiles } from './batch-files.ts'
import type { BatchAnswer, BatchLine } from './batch-line.ts'
import { type CheckedInput, checkInput } from './input-check.ts'
import { batchTag } from './output-line.ts'
import { type ScannedOutput, scanOutput } from './output-scan.ts'
import { printable } from './printable-text.ts'

/** The input checked, and the output compared with it. */
export interface Comparison {
  readonly input: CheckedInput
  readonly scanned: ScannedOutput
}

export interface ComparisonTerms {
  readonly options: Pick<BatchFileOptions, 'money' | 'maxUsd' | 'signal'>
  readonly files: BatchFiles
  readonly onKept: (answer: BatchAnswer) => void
  /** Whether lines that do not belong into the output are taken out of it. */
  readonly isRepairing: boolean
}

/** The signal has fired while files were read: nothing was sent. */
export class ComparisonStopped extends Error {}

/** @throws {ComparisonStopped} @throws {RetrysafeError} as `checkInput` and `scanOutput` do */
export async function compareFiles({ options, files, onKept, isRepairing }: ComparisonTerms): Promise<Comparison> {
  const { money, maxUsd, signal } = options
  const { batchId, output } = files
  const goOn = (): void => {
    if (signal?.aborted) throw new ComparisonStopped()
  }
  const input = await checkInput({
    path: files.input,
    keyOf: line => keyOf(batchId, line),
    onItem(line) {
      goOn()
      return maxUsd === undefined || money?.estimate(line) !== undefined ? undefined : withoutPrice(line)
    },
  })
  const tag = batchTag(batchId)
  const keep = (answer: BatchAnswer): void => {
    goOn()
    onKept(answer)
  }
  return { input, scanned: await scanOutput({ path: output, tag, batchId, input, onKept: keep, isRepairing }) }
}

export function keyOf(batchId: string, { customId, fingerprint }: BatchLine): string {
  return batchItemKey(batchId, customId, fingerprint, 1)
}

function withoutPrice({ model }: BatchLine): string {
  const what = model === undefined ? 'a body that names no model' : `the model ${JSON.stringify(model)}`
  return `there is no price for ${what}, and the batch has a maximum cost`
}

/** What of it the operator should know. */
export function warningsOf({ input, scanned }: Comparison, output: string): string[] {
  const { unknown, path } = input
  const { stale, repeated, unreadable } = scanned.dropped
  const lines = (count: number): string => (count === 1 ? '1 line' : `${count} lines`)
  return [
    ...(unknown === undefined
      ? []
      : [`${path}: members such as ${printable(JSON.stringify(unknown))} mean nothing to a batch`]),
    ...(stale === 0
      ? []
      : [`${output}: ${lines(stale)} of items that the input has no more, or has otherwise, left out`]),
    ...(repeated === 0 ? [] : [`${output}: ${lines(repeated)}, there twice, left out`]),
    ...(unreadable === 0
      ? []
      : [`${output}: ${lines(unreadable)} that cannot be read, left out; they are asked for again`]),
  ]
}
