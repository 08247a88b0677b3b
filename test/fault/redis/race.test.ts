import { afterAll, describe, expect, test } from 'vitest'
import { startRedisCluster } from '../../support/redis/cluster.ts'
import { startRedis } from '../../support/redis/server.ts'
import { RaceCrew } from '../race-crew.ts'
import { raceForFreshKeys, raceForLapsedKeys } from '../race-rounds.ts'

const [server, cluster] = await Promise.all([startRedis(), startRedisCluster()])
afterAll(async () => {
  await Promise.all([server.discard(), cluster.discard()])
})

describe.each([
  ['on one server, through ioredis', `${server.url}?client=ioredis`, 200],
  ['on a cluster, through redis', `${cluster.url}?client=redis`, 150],
])('8 processes %s', (_, url, keys) => {
  const crew = new RaceCrew(url)
  afterAll(() => crew.killAll())

  test(`race on ${keys} keys: one winner each, all others get its outcome`, { timeout: 120_000 }, async () => {
    await crew.start()
    await raceForFreshKeys(crew, keys)
  })

  test('race for 60 records whose lease lapsed: exactly one takes over, and not before', {
    timeout: 60_000,
  }, async () => {
    await raceForLapsedKeys(crew, 60)
    expect(crew.operations).toHaveLength(keys * 17 + 60 * 10 + 8)
    // A script's clock has whole milliseconds.
    expect(crew.violations({ leaseSlackMs: 2 })).toEqual([])
  })
})
