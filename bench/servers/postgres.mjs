import pg from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { withSupport } from './support.mjs'

/** Of the store's pool, and of the bare one beside it. */
export const connections = 10

let server

/**
 * An empty database with the store's schema, on a PostgreSQL of the bench's own, fsync on; `pool` is a bare one on it.
 * The server is started at the first call, as the tests start theirs, and goes with the bench.
 */
export async function openDatabase() {
  server ??= startServer()
  const url = await (await server).createDatabase()
  await migrate({ url })
  const pool = new pg.Pool({ connectionString: url, max: connections })
  return { url, pool, close: () => pool.end() }
}

function startServer() {
  const settings = { shared_buffers: '256MB', max_connections: 200, max_wal_size: '4GB' }
  return withSupport('postgres/server.ts', ({ startPostgres }) => startPostgres({ settings }))
}
