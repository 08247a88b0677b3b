import { describe } from 'vitest'

// As in single.test.ts; on three nodes.
process.env['RETRYSAFE_TEST_STORE'] = 'redis-cluster'

describe('kill -9', async () => void (await import('../gateway-crash-kill.test.ts')))
describe('streams resumed at either gateway', async () => void (await import('../gateway-resume.test.ts')))
describe('streams resumed across a takeover', async () => void (await import('../gateway-resume-takeover.test.ts')))
