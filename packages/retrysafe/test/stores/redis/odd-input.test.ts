import { afterAll, beforeEach, expect, it } from 'vitest'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { Names } from '../../../src/stores/redis/names.ts'
import { acquireToken, claimTerms, keyOf } from '../../support/store-terms.ts'

const server = await startRedis()
afterAll(() => server.discard())
const store = redisStore({ url: server.url, warn: () => {} })
afterAll(() => store.close())
const key = keyOf('k')
beforeEach(() => server.execute('FLUSHALL'))

it('a label that the header cannot count is refused, and leaves nothing', async () => {
  const label = (length: number) => ({ operation: 'o', tenant: 't', path: 'é'.repeat(length) })
  const refused = { code: 'REQUEST_INVALID', message: "a record's label takes at most 16384 characters in Redis" }
  await expect(store.claim(claimTerms({ label: label(70_000) }))).rejects.toMatchObject(refused)
  expect(await store.get(key)).toBeUndefined()
  await acquireToken(store, { label: label(16_000) })
  expect((await store.get(key))?.label).toEqual(label(16_000))
})

it.each(['hello', 'h'.repeat(500)])('a string of somebody else under our keys is told as such (%.5s)', async value => {
  await server.execute('SET', new Names('rs').record(key), value)
  await expect(store.claim(claimTerms())).rejects.toMatchObject({ code: 'STORE_INCOMPATIBLE' })
})

it.each(['rs:c', 'rs:m', 'a:o'])('the prefix %s would be another store’s counters, values or pairs', prefix => {
  expect(() => redisStore({ url: server.url, prefix })).toThrow(
    'the Redis store: a prefix must not end in :c, :m or :o',
  )
})

it('a cursor that SCAN would not take is a wrong cursor', async () => {
  const place = { node: '', cursor: '99999999999999999999', rest: [] }
  const cursor = Buffer.from(JSON.stringify(place)).toString('base64url')
  await expect(store.list({ limit: 10, cursor })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
})
