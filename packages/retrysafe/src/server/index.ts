export type { IdempotencyContext } from './context.ts'
export { type FetchHandler, idempotency, idempotencyOf } from './fetch.ts'
export type { IdempotencyOptions } from './options.ts'
