export type { KitHarness, KitRunner, KitTransactions, KitWalks } from './harness.ts'
export { testStore } from './kit.ts'
