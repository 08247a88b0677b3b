import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll } from 'vitest'
import { makeStoreFolder } from './gateway.ts'
import { startPostgres } from './postgres/server.ts'
import { startRedis } from './redis/server.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** A store for tests of what is left when somebody dies. */
export interface CrashStore {
  /** For one group of gateways: nobody else's records. */
  readonly url: string
  /** How long a lease of theirs is. On LMDB nobody waits for one whose owner is gone: an hour shows that. */
  readonly lease: '1h' | '1s'
}

/** The same on a server, which a gateway reaches over a line of its own. */
export interface CrashServer extends CrashStore {
  readonly line: TcpProxy
  /** The store's URL, over the line; who uses it gives up on a step after half a second. */
  readonly lineUrl: string
}

/** A real server that can be killed (-9) and started again on its data. */
export interface Killable {
  kill(): Promise<void>
  start(): Promise<void>
}

export function makeLmdb(): CrashStore {
  return { url: `lmdb:${makeStoreFolder()}`, lease: '1h' }
}

/** Servers of this file's own, and a function that makes places on them. To be called outside of tests and hooks. */
export async function startCrashServers(): Promise<
  readonly (readonly ['PostgreSQL' | 'Redis', Killable, () => Promise<CrashServer>])[]
> {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  afterAll(() => Promise.all([postgres.stop(), redis.stop()]))
  let places = 0
  const withLine = async (server: typeof postgres | typeof redis, url: string): Promise<CrashServer> => {
    const line = await startTcpProxy(server)
    const lineUrl = new URL(line.through(url))
    lineUrl.searchParams.set('timeout', '500ms')
    return { url, lease: '1s', line, lineUrl: lineUrl.href }
  }
  const database = async (): Promise<CrashServer> => {
    const url = await postgres.createDatabase()
    await migrate({ url })
    return withLine(postgres, url)
  }
  const prefix = (): Promise<CrashServer> => {
    places += 1
    return withLine(redis, `${redis.url}?prefix=crash_${places}`)
  }
  return [
    ['PostgreSQL', postgres, database],
    ['Redis', redis, prefix],
  ]
}
