import type { Surroundings } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import { whole } from '../../engine/policy.ts'
import { safeIn } from '../../engine/safe.ts'
import type { BatchOptions } from '../options.ts'
import type { BatchAnswer, BatchLine } from './batch-line.ts'
import type { BatchProgress } from './batch-progress.ts'

type Unneeded = 'batchId' | 'customId' | 'fingerprint' | 'sizeOf' | 'order' | 'onEvent'

/** How a file of items runs. Times are in milliseconds. */
export interface BatchFileOptions extends Omit<BatchOptions<BatchLine, BatchAnswer>, Unneeded> {
  /** A file in OpenAI's batch format. It is read twice, and must not change meanwhile. */
  readonly input: string
  /** Gets a line for each item that has an answer. Run again with the same one, a batch goes on where it was. */
  readonly output: string
  /** Gets a line for each item that failed in this run. Default: for `out.jsonl` it is `out.errors.jsonl`. */
  readonly errors?: string
  /** Default: the real path of the output. */
  readonly batchId?: string
  /** In which order the output is at the end. While it runs it has what is done, as it is done. Default `completion`. */
  readonly order?: 'completion' | 'input'
  /** Items that are begun in this run; what the output has already does not count. Default: all. */
  readonly limit?: number
  /** What an answer has cost, and what an item will at most, in USD; `undefined`: nobody knows. */
  readonly money?: { cost(answer: BatchAnswer): number | undefined; estimate(line: BatchLine): number | undefined }
  /** What the whole batch may cost, earlier runs included, in USD; needs `money`. Default: without a bound. */
  readonly maxUsd?: number
  /** A folder where `readBatchStatus` finds the batch by its id. It is made when it is not there. */
  readonly registry?: string
  /** Hears how far it is, some times a second. */
  readonly onProgress?: (progress: BatchProgress) => void
  /** Hears what the operator should know: an item set aside, a line of the output that could not be read. */
  readonly onWarning?: (message: string) => void
}

/** @throws {RetrysafeError} `CONFIG_INVALID`, naming the option */
export function checkFileOptions(options: BatchFileOptions): void {
  const { limit, maxUsd, money, batchId, order } = options
  if (typeof options.send !== 'function')
    throw invalid('runBatchFile({ send }): send is required, a function of the line')
  if (limit !== undefined) whole('limit', limit, 1, Number.MAX_SAFE_INTEGER)
  if (maxUsd !== undefined && !(typeof maxUsd === 'number' && maxUsd > 0))
    throw invalid('maxUsd takes USD, more than 0')
  if (maxUsd !== undefined && money === undefined) throw invalid('maxUsd says something only with money')
  if (order !== undefined && order !== 'completion' && order !== 'input')
    throw invalid(`order takes 'completion' or 'input', not ${JSON.stringify(order)}`)
  if (batchId !== undefined && (batchId === '' || batchId.length > 1_000 || /\p{Surrogate}/u.test(batchId)))
    throw invalid('batchId takes 1 to 1_000 characters of well-formed Unicode')
}

/** The time and the chance of whoever keeps the outcomes. */
export function surroundingsIn({ safe }: Pick<BatchFileOptions, 'safe'>): Surroundings {
  const inside = safeIn(safe)
  if (inside === undefined) throw invalid('runBatchFile({ safe }): safe takes what createRetrysafe() gave')
  return inside.surroundings
}

function invalid(message: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', message)
}
