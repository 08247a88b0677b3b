import { Client } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, test } from 'vitest'
import { startPostgres } from '../../support/postgres/server.ts'
import { deeds, expectAllRefused, lateSteps } from '../late-steps.ts'
import { takeFromStopped } from '../stopped-crew.ts'

const server = await startPostgres()
const url = await server.createDatabase()
await migrate({ url })
const client = new Client({ connectionString: url })
await client.connect()
await client.query('CREATE TABLE public.effect (key text NOT NULL, who text NOT NULL)')
afterAll(async () => {
  await client.end()
  await server.stop()
})

/** Everything that the database has of any record, but for the clock's own. */
async function everything(): Promise<unknown> {
  const { rows } = await client.query(`SELECT
    (SELECT json_agg(r ORDER BY k) FROM retrysafe.record r) AS records,
    (SELECT json_agg(l ORDER BY k, fence, off) FROM retrysafe.log l) AS logs,
    (SELECT json_agg(s ORDER BY k, id) FROM retrysafe.step s) AS steps,
    (SELECT json_agg(e ORDER BY key) FROM public.effect e) AS effects`)
  return rows[0]
}

const steps = [
  ...lateSteps,
  ['act', { who: 'zombie', isolation: 'read committed' }, 'LEASE_LOST'],
  ['act', { who: 'zombie', isolation: 'repeatable read' }, 'LEASE_LOST'],
  ['act', { who: 'zombie', isolation: 'serializable' }, 'LEASE_LOST'],
] as const

test.each(deeds)(
  'a process that was stopped, and whose successor %s, is told lost by every step',
  { timeout: 60_000 },
  (state, deed) => expectAllRefused({ url, key: `record that the successor ${state}`, deed, steps, everything }),
)

test('processes that are stopped under load: what was taken from them is lost to them', { timeout: 120_000 }, () =>
  takeFromStopped(`${url}?connections=4`),
)
