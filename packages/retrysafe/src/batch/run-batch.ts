import { BatchRun, type Items } from './batch-run.ts'
import { type BatchOptions, type BatchResult, readBatchRules } from './options.ts'

/**
 * Runs every item of a batch once, and gives what became of each. What is recorded is never paid again: the same batch
 * run again, after a crash or for more items, sends only what has no outcome yet.
 *
 * Items are taken as there is room for them, and results wait for whoever reads them: memory is bounded, however many
 * there are. A failed item is a result, and is tried again by the next run. Breaking off the loop, or `signal`, lets what
 * is sent be finished and recorded, and begins nothing new.
 *
 * The loop throws, once the results that were still coming are given, what `items` throws; and a `RetrysafeError`:
 * `KEY_INVALID` (a custom id that came before, or is no text), `CONFIG_INVALID`, `CALLBACK_FAILED`,
 * `UPSTREAM_UNREACHABLE` (nothing answered for `giveUpMs`), `STORE_UNAVAILABLE`, `STORE_FULL`, `DRAINING`.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, naming the option
 * @example
 * const send = (doc: Doc, { idempotencyKey, signal }: BatchContext) => callModel(doc, { idempotencyKey, signal })
 * for await (const result of runBatch(docs, { batchId: 'nightly-2024-05-01', safe, send, customId: doc => doc.id })) {
 *   if (result.kind === 'done') await save(result.customId, result.value)
 *   else console.error(result.customId, result.error)
 * }
 */
export function runBatch<Item, Value>(
  items: Items<Item>,
  options: BatchOptions<Item, Value>,
): AsyncGenerator<BatchResult<Item, Value>, void, undefined> {
  return new BatchRun(items, readBatchRules(options), false).results()
}

/** The same, of items whose custom ids are known to differ: nothing is remembered of those that are done. */
export function runUniqueBatch<Item, Value>(
  items: Items<Item>,
  options: BatchOptions<Item, Value>,
): AsyncGenerator<BatchResult<Item, Value>, void, undefined> {
  return new BatchRun(items, readBatchRules(options), true).results()
}
