import { describe } from 'vitest'

// As in answers.test.ts.
process.env['RETRYSAFE_TEST_STORE'] = 'postgres'

describe('crash, takeover and drain', async () => void (await import('../gateway-crash-takeover.test.ts')))
describe('kill -9', async () => void (await import('../gateway-crash-kill.test.ts')))
