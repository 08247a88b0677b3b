import { describe } from 'vitest'

// As in answers.test.ts: each attempt goes to the other gateway.
process.env['RETRYSAFE_TEST_STORE'] = 'postgres'

describe('retries of SDKs', async () => void (await import('../gateway-sdk-retries.test.ts')))
describe('identical requests', async () => void (await import('../gateway-keyless-fingerprint.test.ts')))
