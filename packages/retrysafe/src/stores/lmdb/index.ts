export { type LmdbStoreOptions, lmdbStore } from './store.ts'
