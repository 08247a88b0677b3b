import { describe } from 'vitest'

// As in single.test.ts; on three nodes.
process.env['RETRYSAFE_TEST_STORE'] = 'redis-cluster'

describe('replays', async () => void (await import('../gateway-replay.test.ts')))
describe('duplicates at once', async () => void (await import('../gateway-duplicates.test.ts')))
describe('key reuse', async () => void (await import('../gateway-key-reuse.test.ts')))
describe('tenants', async () => void (await import('../gateway-tenants.test.ts')))
