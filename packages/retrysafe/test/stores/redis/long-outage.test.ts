import { afterAll, expect, it } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { acquireToken, claimTerms, keyOf } from '../../support/store-terms.ts'

const server = await startRedis()
afterAll(() => server.discard())

it('an outage that is longer than lease and retention takes no record from its owner', async () => {
  const owner = redisStore({ url: server.url, warn: () => {} })
  const token = await acquireToken(owner, { leaseMs: 1_000, retentionMs: 1_000 })
  await server.kill()
  const goneAtMs = performance.now()
  await eventually(() => performance.now() - goneAtMs).toBeGreaterThan(3_200)
  await server.start()
  const fresh = redisStore({ url: server.url, warn: () => {} })
  expect(await fresh.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running', fence: token.fence })
  expect(await owner.renew(keyOf('k'), token, { leaseMs: 1_000 })).toMatchObject({ kind: 'ok' })
  await Promise.all([owner.close(), fresh.close()])
}, 20_000)
