import { describe } from 'vitest'

// Read by test/support/gateway.ts, which the first of these files loads.
process.env['RETRYSAFE_TEST_STORE'] = 'redis'

// The same cases through two gateways that take turns, on one server. Any other file passes so, too
// (RETRYSAFE_TEST_STORE=redis npx vitest run test/e2e/gateway-keys.test.ts), but for those about LMDB itself.
describe('joins', async () => void (await import('../gateway-join.test.ts')))
describe('replays', async () => void (await import('../gateway-replay.test.ts')))
describe('duplicates at once', async () => void (await import('../gateway-duplicates.test.ts')))
describe('clients that leave', async () => void (await import('../gateway-client-gone.test.ts')))
describe('streams that end wrong', async () => void (await import('../gateway-terminal.test.ts')))
