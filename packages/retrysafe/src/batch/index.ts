export { type ErrorCode, RetrysafeError } from '../engine/errors.ts'
export type { BatchContext, BatchEvent, BatchOptions, BatchResult } from './options.ts'
export { runBatch } from './run-batch.ts'
