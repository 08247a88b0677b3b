import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { startOnFreePort } from '../free-port.ts'
import type { Life } from '../keeper-line.ts'
import { type KeptServer, keepServer } from '../kept-server.ts'
import { moveUrl, type Place } from '../place.ts'
import { findPgBouncer } from './installation.ts'

export interface PgBouncerOptions {
  /** When a connection to the server goes back to the pool. */
  readonly poolMode: 'transaction' | 'session' | 'statement'
  /** Connections to the server a database and user; 20 unless it is named here. */
  readonly poolSize?: number
  /** Other settings of pgbouncer.ini: `{ ignore_startup_parameters: 'statement_timeout' }`. */
  readonly settings?: Readonly<Record<string, string | number>>
}

/** A PgBouncer before all databases of a server. */
export interface PgBouncer extends Place {
  /** The URL of one of the server's databases, with PgBouncer's place in it. Every user of the server may connect. */
  through(url: string): string
  /** Undefined while it is down. */
  readonly pid: number | undefined
  /** What its admin console answers: `show('POOLS')`. */
  show(what: string): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Ends it at once, with all its connections. It may be down already. */
  stop(): Promise<void>
  /** Starts it again on the same port. */
  start(): Promise<void>
  /** All that it has written, in all its lives. */
  log(): string
}

const host = '127.0.0.1'

/**
 * Starts a PgBouncer before a server (or before a proxy that leads to it), as private and as mortal as `startPostgres`.
 *
 * @param server `password`: that of the user `postgres`, when the server asks for one
 * @throws {Error} no PgBouncer is installed, with what to install; or it did not start, with its log
 * @example
 * const bouncer = await startPgBouncer(server, { poolMode: 'transaction', poolSize: 5 })
 * afterAll(() => bouncer.stop())
 * const url = bouncer.through(await server.createDatabase())
 */
export async function startPgBouncer(
  server: Place & { readonly password?: string | undefined },
  options: PgBouncerOptions,
): Promise<PgBouncer> {
  const command = await findPgBouncer()
  const kept = keepServer('pgbouncer')
  const { password = '' } = server
  writeFileSync(join(kept.folder, 'users'), `"postgres" "${password.replaceAll('"', '""')}"\n`)
  try {
    return await startOnFreePort(async port => {
      writeFileSync(join(kept.folder, 'ini'), configuration(server, port, options))
      return startServer(kept, command, port, password)
    })
  } catch (error) {
    await kept.discard()
    throw error
  }
}

function configuration(
  server: Place & { readonly password?: string | undefined },
  port: number,
  { poolMode, poolSize = 20, settings = {} }: PgBouncerOptions,
): string {
  const all = {
    listen_addr: host,
    listen_port: port,
    unix_socket_dir: '',
    // Users that the file does not have are looked up on the server.
    auth_type: server.password === undefined ? 'trust' : 'scram-sha-256',
    auth_file: 'users',
    auth_user: 'postgres',
    admin_users: 'postgres',
    pool_mode: poolMode,
    default_pool_size: poolSize,
    max_client_conn: 500,
    // Its own is 15 s: so long it would not ask again for a server that was down.
    server_login_retry: 1,
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}\n`)
  return `[databases]\n* = host=${server.host} port=${server.port}\n[pgbouncer]\n${lines.join('')}`
}

async function startServer(kept: KeptServer, command: string, port: number, password: string): Promise<PgBouncer> {
  const launch = (): Promise<Life> => {
    const seen = kept.log().length
    return kept.start({ command, args: ['ini'], signal: 'SIGKILL' }, () => kept.log().includes('process up', seen))
  }
  let life = await launch()
  const admin = `postgres://postgres:${encodeURIComponent(password)}@${host}:${port}/pgbouncer`
  return {
    host,
    port,
    through: url => moveUrl(url, { host, port }),
    get pid() {
      return life.isOver() ? undefined : life.pid
    },
    async show(what) {
      const client = new Client({ connectionString: admin })
      await client.connect()
      try {
        return (await client.query(`SHOW ${what}`)).rows
      } finally {
        await client.end()
      }
    },
    // What asks it to end in order waits for its clients, from version 1.23 on.
    stop: () => kept.end('SIGKILL'),
    async start() {
      life = await launch()
    },
    log: () => kept.log(),
  }
}
