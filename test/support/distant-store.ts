import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, onTestFinished } from 'vitest'
import { type Gateway, startGateway } from './gateway.ts'
import { type PostgresServer, startPostgres } from './postgres/server.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** A store in PostgreSQL that a gateway reaches over a line of its own, which goes wrong when a test says so. */
export interface DistantStore {
  readonly line: TcpProxy
  /** The store's URL, over the line. */
  readonly url: string
  /** Breaks the line: what is open is cut, what comes is refused. */
  cutOff(): void
  /** The end of `cutOff`. */
  restore(): Promise<void>
  /** Starts a gateway on it: over the line, or directly. */
  serve(upstream: string, flags?: readonly string[], way?: 'line' | 'direct'): Promise<Gateway>
}

/** The time-out of statements; a claim without an answer is asked twice. */
export const storeTimeoutMs = 500

/** The one store of a file's tests, and lines to it. */
export interface StoreBehindLines {
  readonly server: PostgresServer
  /** A line of its own for the test that calls it. */
  open(): Promise<DistantStore>
}

/** To be called outside of tests and hooks. */
export async function openStoreBehindLines(): Promise<StoreBehindLines> {
  const server = await startPostgres()
  afterAll(server.stop)
  const database = new URL(await server.createDatabase())
  await migrate({ url: database.href })
  database.searchParams.set('timeout', `${storeTimeoutMs}ms`)
  return { server, open: () => openLine(server, database) }
}

async function openLine(server: PostgresServer, database: URL): Promise<DistantStore> {
  const line = await startTcpProxy(server)
  onTestFinished(line.stop)
  const url = line.through(database.href)
  return {
    line,
    url,
    cutOff() {
      line.refuse()
      line.cut()
    },
    restore: () => line.accept(),
    async serve(upstream, flags = [], way = 'line') {
      const gateway = await startGateway(upstream, ['--store', way === 'line' ? url : database.href, ...flags])
      onTestFinished(gateway.stop)
      return gateway
    },
  }
}
