export type { IdempotencyContext } from '../engine/context.ts'
export { type FetchHandler, idempotency, idempotencyOf } from './fetch.ts'
export type { IdempotencyOptions } from './options.ts'
