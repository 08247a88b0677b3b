import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, describe, expect, test } from 'vitest'
import { startPgBouncer } from '../../support/postgres/bouncer.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { RaceCrew } from '../race-crew.ts'
import { raceForFreshKeys, raceForLapsedKeys } from '../race-rounds.ts'

const server = await startPostgres({ settings: { max_connections: 120 } })
afterAll(() => server.stop())
// Fewer connections than processes: they are passed on from one transaction to the next.
const bouncer = await startPgBouncer(server, { poolMode: 'transaction', poolSize: 6 })
afterAll(() => bouncer.stop())

const direct = await server.createDatabase()
const pooled = await server.createDatabase()
for (const url of [direct, pooled]) await migrate({ url })

describe.each([
  ['directly', direct, 300],
  ['through PgBouncer', bouncer.through(pooled), 150],
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
    // A commit that waits for the disk is seen later than the clock that it is counted from.
    expect(crew.violations({ leaseSlackMs: 500 })).toEqual([])
  })
})
