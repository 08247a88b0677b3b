export type { BatchContext, BatchEvent, BatchOptions, BatchResult } from './options.ts'
