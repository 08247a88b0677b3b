import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Authority } from '../certificates.ts'
import { startOnFreePort } from '../free-port.ts'
import type { Life } from '../keeper-line.ts'
import { type KeptServer, keepServer } from '../kept-server.ts'
import type { Place } from '../place.ts'
import { findTool } from '../system-tool.ts'
import { execute, type TlsFiles } from './execute.ts'

/** Lines of redis.conf, the values as they stand there: `{ maxmemory: '8mb', save: '""' }`. */
export type Settings = Readonly<Record<string, string | number>>

export interface RedisOptions {
  /** In every life of this server, instead of Redis's own and of ours (see `startRedis`). */
  readonly settings?: Settings
  /** The password of the user `default`. Without one everybody is trusted. */
  readonly password?: string
  /** More users and their rules: `{ app: 'on >secret ~rs:* &* +@all -@dangerous' }`. */
  readonly acl?: Readonly<Record<string, string>>
  /** TLS and nothing else, with a certificate of this authority. */
  readonly tls?: Authority
}

/** A Redis server of a test's own. */
export interface RedisServer extends Place {
  /** `redis://` or `rediss://`, with the password. The same in all lives. */
  readonly url: string
  /** The URL of a user of `acl`. */
  urlOf(user: string, password: string): string
  readonly password: string | undefined
  /** Its own, with redis.conf, its log and its data. */
  readonly folder: string
  /** In the server's folder; undefined for one without TLS. */
  readonly tls: TlsFiles | undefined
  /** Those that were asked for. */
  readonly settings: Settings
  /** Undefined while the server is down. */
  readonly pid: number | undefined
  /** Sends one command over a connection of its own, as the user `default`: `execute('CONFIG', 'SET', 'maxmemory', '8mb')`. */
  execute(...command: readonly string[]): Promise<unknown>
  /** Ends it in order (SIGTERM): it waits up to 10 s for replicas that lag behind. It may be down already. */
  stop(): Promise<void>
  /** SIGKILL; resolves when it is gone. It may be down already. */
  kill(): Promise<void>
  /** Starts it again on the same data and port; resolves when all is loaded and it takes connections. */
  start(): Promise<void>
  /** `stop`, then `start`. */
  restart(): Promise<void>
  /** It stands still (SIGSTOP): connections are there, the system takes new ones, and nobody answers. */
  pause(): void
  /** The end of `pause`. */
  resume(): void
  /** All that it has written to its log, in all its lives. */
  log(): string
  /** The end of the server, of its data and of the process that kept it. May be called again. */
  discard(): Promise<void>
}

const host = '127.0.0.1'
const always: Settings = {
  bind: host,
  // What the store's promise asks for: what was acknowledged is on disk, whatever ends.
  appendonly: 'yes',
  appendfsync: 'always',
  // Snapshots beside the append-only file would only take time.
  save: '""',
}

/**
 * Starts a Redis server: private (a temporary folder, a free port of 127.0.0.1), with an append-only file that is
 * synced before each answer and without snapshots, else with Redis's own settings. It is gone when the test's process
 * is, however that ends, and with it all its data; `stop` it when the file is done nevertheless.
 *
 * @throws {Error} no Redis is installed, with what to install; or it did not start, with its log
 * @example
 * const server = await startRedis({ settings: { maxmemory: '8mb' }, password: 'secret' })
 * afterAll(() => server.stop())
 * await server.kill()
 * await server.start()
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const program = await findTool('redis-server')
  const kept = keepServer('redis')
  try {
    const tls = options.tls && writeTlsFiles(kept.folder, options.tls)
    return await startOnFreePort(async port => {
      writeFileSync(join(kept.folder, 'redis.conf'), describeSettings(port, options))
      return await startServer(kept, program, { ...options, port, tls })
    })
  } catch (error) {
    await kept.discard()
    throw error
  }
}

function writeTlsFiles(folder: string, { path, server }: Authority): TlsFiles {
  const texts = { ca: readFileSync(path, 'utf8'), cert: server.cert, key: server.key }
  const write = (name: keyof TlsFiles): string => {
    const file = join(folder, `${name}.pem`)
    writeFileSync(file, texts[name])
    return file
  }
  return { ca: write('ca'), cert: write('cert'), key: write('key') }
}

function describeSettings(port: number, { settings, password, acl = {}, tls }: RedisOptions): string {
  const listening: Settings = tls
    ? {
        port: 0,
        'tls-port': port,
        'tls-ca-cert-file': 'ca.pem',
        'tls-cert-file': 'cert.pem',
        'tls-key-file': 'key.pem',
        'tls-auth-clients': 'no',
        'tls-replication': 'yes',
        'tls-cluster': 'yes',
      }
    : { port }
  // The second: what this server says to its primary, if it has one. Quoted as in JSON: redis.conf knows the same.
  const quoted = JSON.stringify(password)
  const access: Settings = password === undefined ? {} : { requirepass: quoted, masterauth: quoted }
  const all = Object.entries({ ...always, ...listening, ...access, ...settings })
  const users = Object.entries(acl).map(([user, rules]) => ['user', `${user} ${rules}`])
  return [...all, ...users].map(([name, value]) => `${name} ${value}\n`).join('')
}

interface Terms {
  readonly settings?: Settings
  readonly password?: string
  readonly port: number
  readonly tls: TlsFiles | undefined
}

async function startServer(kept: KeptServer, program: string, terms: Terms): Promise<RedisServer> {
  const { settings = {}, password, port, tls } = terms
  let life = await startLife(kept, program)
  const pid = (): number | undefined => (life.isOver() ? undefined : life.pid)
  const signal = (name: NodeJS.Signals): void => {
    const its = pid()
    if (its !== undefined) process.kill(its, name)
  }
  const stop = async (): Promise<void> => {
    // One that stands still would not hear of it.
    signal('SIGCONT')
    await kept.end('SIGTERM')
  }
  const start = async (): Promise<void> => {
    life = await startLife(kept, program)
  }
  const urlOf = (user: string, secret: string): string =>
    `${tls ? 'rediss' : 'redis'}://${user}:${encodeURIComponent(secret)}@${host}:${port}`
  const url = password === undefined ? urlOf('', '').replace(':@', '') : urlOf('', password)
  return {
    host,
    port,
    url,
    urlOf,
    password,
    folder: kept.folder,
    tls,
    settings,
    get pid() {
      return pid()
    },
    execute: (...command) => execute(url, command, tls),
    stop,
    kill: () => kept.kill(),
    start,
    async restart() {
      await stop()
      await start()
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    log: () => kept.log(),
    discard: () => kept.discard(),
  }
}

/** Redis says that it is ready when its data is loaded. */
function startLife(kept: KeptServer, command: string): Promise<Life> {
  const seen = kept.log().length
  const isReady = (): boolean => kept.log().includes('Ready to accept connections', seen)
  return kept.start({ command, args: ['redis.conf'], signal: 'SIGKILL' }, isReady)
}
