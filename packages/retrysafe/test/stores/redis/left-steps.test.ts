import { afterAll, expect, it } from 'vitest'
import { startRedisCluster } from '../../../../../test/support/redis/cluster.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { Names } from '../../../src/stores/redis/names.ts'
import { acquireToken, bytesOf, fingerprintOf, keyOf } from '../../support/store-terms.ts'

const cluster = await startRedisCluster({ primaries: 2 })
afterAll(() => cluster.discard())
const store = redisStore({ url: cluster.url, warn: () => {} })
afterAll(() => store.close())

it('steps that a record left behind when it went while its slot moved are not the next life’s', async () => {
  const key = keyOf('k')
  const names = new Names('rs')
  const step = { id: 's', input: fingerprintOf('in'), onCrash: 'rerun', maxAttempts: 3 } as const
  const token = await acquireToken(store)
  await store.stepStart(key, token, step)
  await store.stepPut(key, token, { id: 's', value: bytesOf('of the first life') })
  const from = await cluster.nodeOf(names.record(key))
  const to = cluster.primaries.find(node => node !== from) ?? from
  const move = await cluster.beginMove(await cluster.slotOf(names.record(key)), from, to)
  // The record is ahead of its steps.
  await move.moveKeys(names.record(key))
  expect(await store.purge(key, token.fence, { force: true })).toBe('ok')
  const next = await acquireToken(store, { owner: 'b', raw: fingerprintOf('raw-2') })
  await move.finish()
  expect(await store.stepGet(key, 's')).toEqual({ kind: 'absent' })
  expect(await store.stepPut(key, next, { id: 's', value: bytesOf('x') })).toEqual({ kind: 'lost' })
  expect(await store.stepStart(key, next, step)).toEqual({ kind: 'begun', attempt: 1 })
  expect(await store.stepGet(key, 's')).toEqual({ kind: 'absent' })
})
