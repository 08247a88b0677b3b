import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startOnFreePort } from '../free-port.ts'
import type { Life } from '../keeper-line.ts'
import { type KeptServer, keepServer } from '../kept-server.ts'
import type { Place } from '../place.ts'
import { createDatabase } from './database.ts'
import { findPostgres } from './installation.ts'
import { copyTemplate, offerTemplate } from './template.ts'

/** Settings of postgresql.conf: `{ max_connections: 20, fsync: 'off' }`. */
export type Settings = Readonly<Record<string, string | number>>

export interface PostgresOptions {
  /** In every life of this server, instead of PostgreSQL's own. fsync is on unless it is named here. */
  readonly settings?: Settings
  /** The password of the user `postgres`, by SCRAM-SHA-256. Without one everybody is trusted. */
  readonly password?: string
}

/** A PostgreSQL server of a test's own, with its user `postgres` and its database `postgres`. */
export interface PostgresServer extends Place {
  /** Of the database `postgres`, with the user and the password. The same in all lives. */
  readonly url: string
  readonly password: string | undefined
  /** The folder with its Unix socket. */
  readonly socketFolder: string
  /** Those that were asked for. */
  readonly settings: Settings
  /** Of the postmaster; undefined while the server is down. */
  readonly pid: number | undefined
  /** Makes a database, empty, UTF-8 in C locale, with a name of its own if none is given; answers its URL. */
  createDatabase(name?: string): Promise<string>
  /** Ends it in order: connections are broken, all is on disk (a "fast" shutdown). It may be down already. */
  stop(): Promise<void>
  /** SIGKILL to the postmaster and all its children at once; resolves when all are gone. It may be down already. */
  kill(): Promise<void>
  /** Starts it again on the same data and port, after a recovery if it was killed; resolves when it takes connections. */
  start(): Promise<void>
  /** `stop`, then `start`. */
  restart(): Promise<void>
  /** All that it has written to its log, in all its lives. */
  log(): string
}

const host = '127.0.0.1'
const always: Settings = {
  listen_addresses: host,
  shared_buffers: '32MB',
  // In its folder, not in /dev/shm: a killed server leaves nothing there.
  dynamic_shared_memory_type: 'mmap',
  // A clock that a test puts in the place of ours reads a table, which looks dear enough to be compiled at each call.
  jit: 'off',
}

/**
 * Starts a PostgreSQL server: private (a temporary folder, a free port of 127.0.0.1), in about a second. It is gone
 * when the test's process is, however that ends, and with it all its data; `stop` it when the file is done nevertheless.
 *
 * @throws {Error} no PostgreSQL is installed, with what to install; or it did not start, with its log
 * @example
 * const server = await startPostgres({ settings: { max_connections: 20 } })
 * afterAll(() => server.stop())
 * const url = await server.createDatabase()
 * await server.kill()
 * await server.start()
 */
export async function startPostgres({ settings = {}, password }: PostgresOptions = {}): Promise<PostgresServer> {
  const programs = await findPostgres()
  const kept = keepServer('postgres')
  try {
    await initialise(kept, programs, password)
    return await startOnFreePort(port => startServer(kept, programs, { settings, password, port }))
  } catch (error) {
    await kept.discard()
    throw error
  }
}

interface Terms {
  readonly settings: Settings
  readonly password: string | undefined
  readonly port: number
}

async function startServer(kept: KeptServer, programs: string, terms: Terms): Promise<PostgresServer> {
  const { settings, password, port } = terms
  const launch = (): Promise<Life> => startLife(kept, programs, { port, ...settings })
  let life = await launch()
  // SIGINT is PostgreSQL's "fast" shutdown.
  const stop = (): Promise<void> => kept.end('SIGINT')
  const start = async (): Promise<void> => {
    life = await launch()
  }
  const credentials = password === undefined ? 'postgres' : `postgres:${encodeURIComponent(password)}`
  const url = `postgres://${credentials}@${host}:${port}/postgres`
  return {
    host,
    port,
    url,
    password,
    socketFolder: kept.folder,
    settings,
    get pid() {
      return life.isOver() ? undefined : life.pid
    },
    createDatabase: name => createDatabase(url, name),
    stop,
    kill: () => kept.kill(),
    start,
    async restart() {
      await stop()
      await start()
    },
    log: () => kept.log(),
  }
}

async function initialise(kept: KeptServer, programs: string, password: string | undefined): Promise<void> {
  if (password === undefined && (await copyTemplate(kept))) return
  // --no-sync: what initdb wrote may be lost with the machine, not with the server.
  const args = ['-D', 'data', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions']
  if (password !== undefined) writeFileSync(join(kept.folder, 'password'), password)
  const access = password === undefined ? ['-A', 'trust'] : ['-A', 'scram-sha-256', '--pwfile=password']
  await kept.run({ command: join(programs, 'initdb'), args: [...args, ...access], signal: 'SIGTERM' })
  if (password === undefined) await offerTemplate(kept)
}

function startLife(kept: KeptServer, programs: string, settings: Settings): Promise<Life> {
  const all = { ...always, unix_socket_directories: kept.folder, ...settings }
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const command = join(programs, 'postgres')
  // SIGQUIT is its "immediate" shutdown.
  return kept.start({ command, args: ['-D', 'data', ...args], signal: 'SIGQUIT' }, life => isReady(kept.folder, life))
}

/** As pg_ctl sees it: by the last line of its lock file, which may still be that of the life before. */
function isReady(folder: string, life: Life): boolean {
  try {
    const lines = readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n')
    return lines[0] === String(life.pid) && ['ready', 'standby'].includes(lines[7]?.trim() ?? '')
  } catch {
    return false
  }
}
