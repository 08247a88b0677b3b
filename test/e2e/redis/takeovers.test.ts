import { describe } from 'vitest'

// As in single.test.ts; on three nodes.
process.env['RETRYSAFE_TEST_STORE'] = 'redis-cluster'

describe('kill -9', async () => void (await import('../gateway-crash-kill.test.ts')))
