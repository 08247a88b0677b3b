import { onTestFinished } from 'vitest'
import type { Items } from '../../src/batch/batch-run.ts'
import type { BatchContext, BatchEvent, BatchOptions, BatchResult } from '../../src/batch/index.ts'
import { runBatch } from '../../src/batch/run-batch.ts'
import type { RecordView } from '../../src/engine/record.ts'
import type { Store } from '../../src/engine/store.ts'
import { createRetrysafe, type Retrysafe } from '../../src/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'

/** A store, what holds it, and what was sent. */
export interface Stage {
  readonly store: Store
  readonly safe: Retrysafe
  /** Items in the order in which they were sent. */
  readonly sent: string[]
  readonly events: BatchEvent[]
  /** Runs a batch of texts over it, to its end. */
  run(items: Items<string>, options?: StageOptions): Promise<string[]>
  start(items: Items<string>, options?: StageOptions): AsyncGenerator<BatchResult<string, string>, void, undefined>
  /** All records of the store. */
  records(): Promise<readonly RecordView[]>
}

export type StageOptions = Partial<BatchOptions<string, string>>

export function openStage(store: Store = memoryStore()): Stage {
  const safe = createRetrysafe({ store })
  onTestFinished(() => safe.close({ drainMs: 0 }))
  const sent: string[] = []
  const events: BatchEvent[] = []

  function start(
    items: Items<string>,
    { send = echo, ...options }: StageOptions = {},
  ): AsyncGenerator<BatchResult<string, string>, void, undefined> {
    const told = (item: string, context: BatchContext): string | Promise<string> => {
      sent.push(item)
      return send(item, context)
    }
    const onEvent = (event: BatchEvent): void => void events.push(event)
    // Tests that wait do not wait for jitter.
    return runBatch(items, { batchId: 'b', safe, send: told, onEvent, baseDelayMs: 0, ...options })
  }

  return {
    store,
    safe,
    sent,
    events,
    start,
    async run(items, options) {
      const results: string[] = []
      for await (const result of start(items, options)) results.push(worded(result))
      return results
    },
    records: async () => (await store.list({ limit: 1_000 })).records,
  }
}

export function echo(item: string): string {
  return `answer to ${item}`
}

/** A result as one line, such as `done: answer to a`, `replayed: answer to a`, `failed: 400`. */
export function worded(result: BatchResult<unknown, unknown>): string {
  if (result.kind === 'done') return `${result.replayed ? 'replayed' : 'done'}: ${result.value}`
  const { error } = result
  const said =
    typeof error === 'object' && error !== null ? (Reflect.get(error, 'code') ?? Reflect.get(error, 'status')) : error
  return `failed: ${said}`
}

/** What an SDK throws for an answer that is no success. */
export class AnswerError extends Error {
  readonly status: number
  readonly headers: Headers

  constructor(status: number, headers: Readonly<Record<string, string>> = {}) {
    super(`${status} answer`)
    this.status = status
    this.headers = new Headers(headers)
  }
}

/** What `fetch` throws where a connection fails. */
export function networkError(code: string): TypeError {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
}
