import { afterAll, expect, it } from 'vitest'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { Names } from '../../../src/stores/redis/names.ts'
import { acquireToken, keyOf } from '../../support/store-terms.ts'

const server = await startRedis()
afterAll(() => server.discard())
const store = redisStore({ url: server.url, warn: () => {} })
afterAll(() => store.close())

it('a sweep comes to names behind those that stay', async () => {
  const names = ['a', 'b', 'c', 'd']
  const addedAt = (await store.now()) - 1_000_000
  for (const name of names) {
    const key = keyOf(name)
    const token = await acquireToken(store, { key, onCrash: 'fail' })
    expect(await store.release(key, token, { end: 'broken', cooldownMs: 0 })).toBe('ok')
    await server.execute('ZADD', 'rs:u', String(addedAt), name)
  }
  await server.execute('DEL', new Names('rs').record(keyOf('d')))
  for (const _ of names) await store.sweep(2)
  expect(await server.execute('ZRANGE', 'rs:u', '0', '-1')).toEqual(['a', 'b', 'c'])
})
