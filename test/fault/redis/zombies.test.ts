import { afterAll, test } from 'vitest'
import { startRedis } from '../../support/redis/server.ts'
import { deeds, expectAllRefused, lateSteps } from '../late-steps.ts'
import { takeFromStopped } from '../stopped-crew.ts'

const server = await startRedis({ settings: { 'enable-debug-command': 'local' } })
const { url } = server
afterAll(() => server.discard())

/** Every byte that the server has: a digest of all its data, which knows nothing of when keys end. */
const everything = (): Promise<unknown> => server.execute('DEBUG', 'DIGEST')

test.each(deeds)(
  'a process that was stopped, and whose successor %s, is told lost by every step',
  { timeout: 60_000 },
  (state, deed) =>
    expectAllRefused({ url, key: `record that the successor ${state}`, deed, steps: lateSteps, everything }),
)

test('processes that are stopped under load: what was taken from them is lost to them', { timeout: 120_000 }, () =>
  takeFromStopped(url),
)
