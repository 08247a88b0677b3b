import { describe } from 'vitest'

// As in answers.test.ts.
process.env['RETRYSAFE_TEST_STORE'] = 'postgres'

describe('crash, takeover and drain', async () => void (await import('../gateway-crash-takeover.test.ts')))
describe('kill -9', async () => void (await import('../gateway-crash-kill.test.ts')))
describe('streams resumed at either gateway', async () => void (await import('../gateway-resume.test.ts')))
describe('streams resumed across a takeover', async () => void (await import('../gateway-resume-takeover.test.ts')))
