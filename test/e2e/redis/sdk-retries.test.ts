import { describe } from 'vitest'

// As in single.test.ts: each attempt goes to the other gateway.
process.env['RETRYSAFE_TEST_STORE'] = 'redis'

describe('retries of SDKs', async () => void (await import('../gateway-sdk-retries.test.ts')))
