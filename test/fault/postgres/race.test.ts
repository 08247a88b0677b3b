import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, describe } from 'vitest'
import { startPgBouncer } from '../../support/postgres/bouncer.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { testRaces } from '../race-rounds.ts'

const server = await startPostgres({ settings: { max_connections: 120 } })
afterAll(() => server.stop())
// Fewer connections than processes: they are passed on from one transaction to the next.
const bouncer = await startPgBouncer(server, { poolMode: 'transaction', poolSize: 6 })
afterAll(() => bouncer.stop())

const direct = await server.createDatabase()
const pooled = await server.createDatabase()
for (const url of [direct, pooled]) await migrate({ url })

/** A commit that waits for the disk is seen later than the clock that it is counted from. */
const leaseSlackMs = 500

describe.each([
  ['directly', direct, 300],
  ['through PgBouncer', bouncer.through(pooled), 150],
])('8 processes %s', (_, url, keys) => testRaces(url, keys, leaseSlackMs))
