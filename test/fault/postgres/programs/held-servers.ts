import { renameSync, writeFileSync } from 'node:fs'
import { test } from 'vitest'
import { startPgBouncer } from '../../../support/postgres/bouncer.ts'
import { startPostgres } from '../../../support/postgres/server.ts'

/** Starts servers, tells the file `HELD_SERVERS` of them, and does not end. */
test('holds servers', { timeout: 60_000 }, async () => {
  const server = await startPostgres()
  const bouncer = await startPgBouncer(server, { poolMode: 'transaction' })
  const held = {
    worker: process.pid,
    runner: process.ppid,
    servers: [server.pid, bouncer.pid],
    folder: server.socketFolder,
  }
  const file = process.env.HELD_SERVERS ?? ''
  writeFileSync(`${file}.new`, JSON.stringify(held))
  renameSync(`${file}.new`, file)
  await new Promise(() => {})
})
