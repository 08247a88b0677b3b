import { afterAll, expect, it } from 'vitest'
import { commands, migrations } from '../../packages/retrysafe/src/stores/postgres/embedded-sql.ts'
import type { SchemaSource } from '../../packages/retrysafe/src/stores/postgres/migration-plan.ts'
import { startPgBouncer } from '../support/postgres/bouncer.ts'
import { startPostgres } from '../support/postgres/server.ts'
import { coveringSeeds } from './replay-coverage.ts'
import { postgresStage } from './replay-postgres-stage.ts'
import { replaySeeds } from './replay-seeds.ts'
import { testReplay } from './replay-suite.ts'

// Nothing here is about what survives a power failure.
const server = await startPostgres({ settings: { fsync: 'off' } })
const bouncer = await startPgBouncer(server, { poolMode: 'transaction' })
afterAll(async () => {
  await bouncer.stop()
  await server.stop()
})

testReplay({
  to: 'PostgreSQL',
  way: 'alone',
  seeds: 16,
  async open() {
    const url = await server.createDatabase()
    return postgresStage(url, [url])
  },
})

testReplay({
  to: 'PostgreSQL from two processes, one of them through PgBouncer',
  way: 'alone',
  seeds: 16,
  async open() {
    const url = await server.createDatabase()
    return postgresStage(url, [url, bouncer.through(url)])
  },
})

testReplay({
  to: 'PostgreSQL from two processes, one of them through PgBouncer',
  way: 'crowd',
  seeds: 100,
  async open() {
    const url = await server.createDatabase()
    return postgresStage(url, [url, bouncer.through(url)])
  },
})

/** Faults of the SQL; those of a batch show only where many come at once. */
const broken = [
  {
    name: 'takes over before the grace is over',
    way: 'alone',
    file: 'clock.sql',
    find: 'SELECT $1 + 2000 <= $3',
    replace: 'SELECT $1 <= $3',
  },
  {
    name: 'takes writes from everybody',
    way: 'alone',
    file: 'parts.sql',
    find: 'r.fence = p_fence AND r.owner = p_owner',
    replace: 'true',
  },
  {
    name: 'takes many claims and says sent before it was',
    way: 'crowd',
    file: 'claim_many.sql',
    find: "c.on_crash = 'r', false,",
    replace: 'true, false,',
  },
  {
    name: 'takes many outcomes and keeps them a millisecond longer',
    way: 'crowd',
    file: 'complete_many.sql',
    find: 'expires_at_ms = now_ms + t.retention_ms',
    replace: 'expires_at_ms = now_ms + t.retention_ms + 1',
  },
] as const

it.each(broken)('finds a PostgreSQL store that $name', { timeout: 120_000 }, async ({ way, ...fault }) => {
  const url = await server.createDatabase()
  const stage = await postgresStage(url, [url], brokenSource(fault))
  try {
    const seeds = way === 'alone' ? coveringSeeds : Array.from({ length: 100 }, (_, at) => at + 1)
    const { found, seeds: played } = await replaySeeds({ stage, seeds, way })
    console.log(`${fault.name}: after ${played} seeds: ${found?.what.slice(0, 200)}`)
    expect(found?.what).toMatch(/^the store answers /)
  } finally {
    await stage.close()
  }
})

function brokenSource({ file, find, replace }: { file: string; find: string; replace: string }): SchemaSource {
  const whole = commands.find(({ name }) => name.endsWith(file))
  if (whole?.text.split(find).length !== 2) throw new Error(`${file} does not say once: ${find}`)
  const text = whole.text.replace(find, () => replace)
  return { migrations, commands: commands.map(one => (one === whole ? { ...one, text } : one)) }
}
