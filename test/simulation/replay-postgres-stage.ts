import { Client, Pool } from 'pg'
import type { Store } from '../../packages/retrysafe/src/engine/store.ts'
import { commands, migrations } from '../../packages/retrysafe/src/stores/postgres/embedded-sql.ts'
import { postgresStore } from '../../packages/retrysafe/src/stores/postgres/index.ts'
import { migrate } from '../../packages/retrysafe/src/stores/postgres/migrate.ts'
import type { SchemaSource } from '../../packages/retrysafe/src/stores/postgres/migration-plan.ts'
import type { ReplayStage } from './replay-stage.ts'

/**
 * A database whose store has a clock that stands where it is put: in a sequence, which all connections see at once.
 *
 * @param url of an empty database
 * @param through the URLs by which processes reach it, one each: it itself, or a PgBouncer before it
 * @param source default: the checkout's own SQL; a test gives a broken one
 */
export async function postgresStage(
  url: string,
  through: readonly string[],
  source: SchemaSource = { migrations, commands },
): Promise<ReplayStage> {
  await migrate({ url }, source)
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(standingClock)
  // Kept from store to store: the server compiles its functions anew for every connection.
  const pools = through.map(connectionString => new Pool({ connectionString }))
  let opened: Store[] = []
  const closeAll = async (): Promise<void> => {
    for (const store of opened) await store.close()
    opened = []
  }
  return {
    name: 'postgres',
    clocks: { kind: 'one clock' },
    async open() {
      await closeAll()
      await client.query(emptyTables)
      opened = pools.map(pool => postgresStore({ pool, listenUrl: url }))
      const [first, ...others] = opened
      if (first === undefined) throw new Error('no process reaches the store')
      return {
        stores: [first, ...others],
        async setTime({ wallMs }) {
          const values = [Math.floor(wallMs * 1_000)]
          await client.query({ name: 'set', text: "SELECT setval('retrysafe.replay_clock', $1)", values })
        },
        leeway: { followed: others.length === 0 ? 'lingers' : 'open', sweep: 'open' },
      }
    },
    async close() {
      await closeAll()
      for (const pool of pools) await pool.end()
      await client.end()
    },
  }
}

const standingClock = `
  CREATE SEQUENCE retrysafe.replay_clock;
  CREATE OR REPLACE FUNCTION retrysafe.clock_us() RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT last_value FROM retrysafe.replay_clock';
  CREATE OR REPLACE FUNCTION retrysafe.up_since_ms() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 0::bigint';
  SET synchronous_commit = off`

/** Quicker than TRUNCATE where there is little in them. */
const emptyTables = `
  DELETE FROM retrysafe.record; DELETE FROM retrysafe.log; DELETE FROM retrysafe.step; DELETE FROM retrysafe.unknown;
  DELETE FROM retrysafe.follow_mark; DELETE FROM retrysafe.meta`
