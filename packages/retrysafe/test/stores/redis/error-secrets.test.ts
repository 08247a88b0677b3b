import { inspect } from 'node:util'
import { afterAll, expect, it } from 'vitest'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'

const server = await startRedis({ password: 'right' })
afterAll(() => server.discard())

it.each(['ioredis', 'redis'] as const)('an error shows no password, nor do its causes (%s)', async library => {
  const url = server.urlOf('default', 'wrong-secret')
  const store = redisStore({ url, library, timeoutMs: 1_000, warn: () => {} })
  const error = await store.now().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('wrong-secret')
  await store.close()
})
