import { describe } from 'vitest'

// Read by test/support/gateway.ts, which the first of these files loads.
process.env['RETRYSAFE_TEST_STORE'] = 'postgres'

/**
 * The same cases through two gateways that take turns, on one database. Any other file passes so, too
 * (RETRYSAFE_TEST_STORE=postgres npx vitest run test/e2e/gateway-keys.test.ts), but for those about LMDB itself.
 */
function through(name: string, load: () => Promise<unknown>): void {
  describe(name, async () => void (await load()))
}

through('joins', () => import('../gateway-join.test.ts'))
through('replays', () => import('../gateway-replay.test.ts'))
through('duplicates at once', () => import('../gateway-duplicates.test.ts'))
through('key reuse', () => import('../gateway-key-reuse.test.ts'))
through('tenants', () => import('../gateway-tenants.test.ts'))
through('clients that leave', () => import('../gateway-client-gone.test.ts'))
through('streams that end wrong', () => import('../gateway-terminal.test.ts'))
through('new starts', () => import('../gateway-store-restart.test.ts'))
