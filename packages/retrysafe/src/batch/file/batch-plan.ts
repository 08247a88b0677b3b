import { JsonReader } from '../../providers/json-reader.ts'
import { members, plain } from '../../providers/json-shape.ts'
import { countAt } from '../../providers/usage.ts'
import { type BatchFileOptions, checkFileOptions } from './batch-file-options.ts'
import { findBatchFiles } from './batch-files.ts'
import type { BatchLine } from './batch-line.ts'
import { compareFiles } from './comparison.ts'
import { readPlacedLines } from './placed-lines.ts'

/** What would be sent to one model. */
export interface BatchPlanModel {
  /** `undefined`: bodies that name none, and those of models beyond the first 1,000. */
  readonly model: string | undefined
  readonly items: number
  /** A token for each 4 bytes. */
  readonly inputTokensAbout: number
  /** What the bodies allow; `undefined` where one of them sets no limit. */
  readonly outputTokensAtMost: number | undefined
  /** `undefined` where an item has no price. */
  readonly usd: number | undefined
}

/** What a run would do. */
export interface BatchPlan {
  readonly batchId: string
  readonly total: number
  /** Are in the output. */
  readonly kept: number
  /** May be replayed from the store, which is not asked. */
  readonly toSend: number
  readonly models: readonly BatchPlanModel[]
  /** At most; `undefined` where an item has no price. */
  readonly usd: number | undefined
}

const bytesPerToken = 4
const maxModels = 1_000

const shape = members({
  n: plain,
  max_tokens: plain,
  max_completion_tokens: plain,
  max_output_tokens: plain,
  generationConfig: members({ maxOutputTokens: plain, candidateCount: plain }),
  options: members({ num_predict: plain }),
})

type Draft = { -readonly [Name in keyof BatchPlanModel]: BatchPlanModel[Name] }

/**
 * What `runBatchFile` would do with the same options. Nothing is sent, and no file is made or changed.
 *
 * @throws {BatchInputError} and `RetrysafeError`, as it would
 */
export async function planBatchFile(options: BatchFileOptions): Promise<BatchPlan> {
  checkFileOptions(options)
  const files = await findBatchFiles(options)
  const { input, scanned } = await compareFiles({ options, files, onKept: () => {}, isRepairing: false })
  const drafts = new Map<string | undefined, Draft>()
  let toSend = 0
  for await (const { line, place } of readPlacedLines(files, input)) {
    if (scanned.kept.has(place)) continue
    if (toSend === (options.limit ?? Number.POSITIVE_INFINITY)) break
    toSend++
    add(drafts, line, options.money?.estimate(line))
  }
  const models = [...drafts.values()]
  const usd = models.reduce<number | undefined>((sum, model) => plus(sum, model.usd), 0)
  return { batchId: files.batchId, total: input.total, kept: scanned.keptCount, toSend, models, usd }
}

function add(drafts: Map<string | undefined, Draft>, line: BatchLine, usd: number | undefined): void {
  const model = drafts.has(line.model) || drafts.size < maxModels ? line.model : undefined
  const draft = drafts.get(model) ?? { model, items: 0, inputTokensAbout: 0, outputTokensAtMost: 0, usd: 0 }
  drafts.set(model, draft)
  draft.items++
  draft.inputTokensAbout += Math.ceil(line.body.length / bytesPerToken)
  draft.outputTokensAtMost = plus(draft.outputTokensAtMost, outputTokensOf(line.body))
  draft.usd = plus(draft.usd, usd)
}

function outputTokensOf(body: Uint8Array): number | undefined {
  const reader = new JsonReader(shape)
  reader.writeAll(body)
  const count = (...path: string[]): number | undefined => countAt(reader.value, ...path)
  const most =
    count('max_completion_tokens') ??
    count('max_output_tokens') ??
    count('max_tokens') ??
    count('generationConfig', 'maxOutputTokens') ??
    count('options', 'num_predict')
  return most && most * (count('n') ?? count('generationConfig', 'candidateCount') ?? 1)
}

/** Of unknown parts the sum is unknown. */
function plus(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other
}
