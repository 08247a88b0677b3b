export { deriveKey, type IdempotencyContext } from '../engine/context.ts'
