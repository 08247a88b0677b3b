export { type ErrorCode, RetrysafeError } from './engine/errors.ts'
export type { Store } from './engine/store.ts'
