import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openEngine } from 'retrysafe/internal/engine/engine'
import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import { openStore } from 'retrysafe/internal/stores/open'
import { isRedisUrl } from 'retrysafe/internal/stores/redis/store-url'
import { createAdmin } from './admin/server.ts'
import { type GatewayConfig, isLoopback } from './config/config.ts'
import { urlHost } from './config/flags.ts'
import { Ledger } from './ledger/ledger.ts'
import { Prices } from './ledger/prices.ts'
import { readStats } from './ledger/stats.ts'
import { CanonicalBodies } from './proxy/canonical-bodies.ts'
import { observingNotice } from './proxy/observe/notice.ts'
import { Observer } from './proxy/observe/observer.ts'
import { createProxy } from './proxy/server.ts'
import { StoreWatch } from './proxy/store-watch.ts'
import { trustAlso } from './proxy/trust.ts'
import { openUpstreams } from './proxy/upstreams.ts'

/** A gateway that listens. */
export interface Gateway {
  readonly url: string
  readonly admin: string
  readonly store: string
  /** Refuses new requests, and resolves when running work is finished and recorded; false: it took longer than allowed. */
  drain(): Promise<boolean>
  /** Ends at once: others may take over what still runs. */
  close(): Promise<void>
}

/**
 * Starts a gateway. Rejects with `RetrysafeError` `CONFIG_INVALID` for a configuration that cannot work, and with the
 * system's error when a port is taken.
 */
export async function startGateway(config: GatewayConfig, log: (message: string) => void): Promise<Gateway> {
  checkAdmin(config)
  checkResults(config)
  const trust = trustAlso(config.upstreamCertificates)
  // Who only looks on needs no store, and works without.
  const store = await openStore(config.observe ? 'memory:' : config.store, { warn: log }).catch(named('--store'))
  const storeWatch = new StoreWatch(store, { policy: config.onStoreError, surroundings: processSurroundings, log })
  const engine = await openEngine({
    store: storeWatch.store,
    ...(config.scopeSecret !== undefined && { scopeSecret: Buffer.from(config.scopeSecret) }),
    maxWaiters: config.maxWaiters,
    maxResultBytes: config.maxResultBytes,
  }).catch(async (error: unknown) => {
    await store.close()
    if (error instanceof RetrysafeError && error.code.startsWith('STORE_')) named('--store')(error)
    throw error
  })
  const upstreams = openUpstreams(config.upstreams, { silenceMs: config.upstreamTimeoutMs, trust, log })
  const canonicalBodies = new CanonicalBodies({ log })
  let draining = false
  const anonymous = isLoopback(config.host)
  // On the bare store: what it is asked for here no request waits for.
  const ledger = new Ledger(store, processSurroundings)
  const prices = new Prices(config.prices)
  const observer = config.observe ? new Observer({ surroundings: processSurroundings, log }) : undefined
  if (config.observe) log(observingNotice(config))
  const parts = { config, engine, storeWatch, upstreams, canonicalBodies, ledger, observer, log, anonymous }
  const proxy = createProxy(parts)
  const admin = createAdmin({
    engine,
    host: config.adminHost,
    token: config.adminToken,
    unreadyReason: () => (draining ? 'draining' : storeWatch.unreadyReason),
    stats: () => readStats(prices, ledger, observer),
  })

  async function close(): Promise<void> {
    storeWatch.close()
    await engine.giveUp()
    for (const server of [proxy.server, admin]) {
      server.close()
      server.closeAllConnections()
    }
    await upstreams.close()
    await canonicalBodies.close()
    observer?.close()
    await ledger.close()
    await engine.close()
  }

  try {
    await listen(proxy.server, config.host, config.port)
    await listen(admin, config.adminHost, config.adminPort)
  } catch (error) {
    await close()
    throw error
  }
  if (!isLoopback(config.host)) log('the proxy listener is open to other machines without TLS: put TLS in front of it')

  /** A request may become a run as its client leaves, and a run a request's that has waited for it. */
  async function finish(): Promise<true> {
    do {
      await proxy.idle()
      await engine.idle()
    } while (!proxy.isIdle || engine.running > 0)
    return true
  }

  return {
    url: urlOf(proxy.server, config.host),
    admin: urlOf(admin, config.adminHost),
    store: config.observe ? 'none' : store.name,
    async drain() {
      draining = true
      proxy.drain()
      const tooLong = new Promise<false>(resolve => setTimeout(resolve, config.drainMs, false).unref())
      return Promise.race([finish(), tooLong])
    },
    close,
  }
}

/** Puts the flag's name before what the library says. */
function named(flag: string): (error: unknown) => never {
  return error => {
    if (!(error instanceof RetrysafeError)) throw error
    throw new RetrysafeError(error.code, `${flag}: ${error.message}`, { cause: error })
  }
}

function checkAdmin({ adminHost, adminToken }: GatewayConfig): void {
  if (adminToken !== undefined || isLoopback(adminHost)) return
  throw new RetrysafeError(
    'CONFIG_INVALID',
    `--admin-host ${adminHost} is no loopback address: the admin listener needs an --admin-token there`,
  )
}

/** A string in Redis has at most 512 MB: 500 leave room for what stands before an answer. */
const mostResultBytesOnRedis = 524_288_000

/** A larger answer could never be recorded, and its outcome would be sent to the store for ever. */
function checkResults({ store, maxResultBytes }: GatewayConfig): void {
  if (!isRedisUrl(store.trim()) || maxResultBytes <= mostResultBytesOnRedis) return
  throw new RetrysafeError('CONFIG_INVALID', '--max-result: a store in Redis keeps answers of 500mb at most; take less')
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen({ host: host.replace(/^\[|\]$/g, ''), port })
  await once(server, 'listening')
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  return `http://${urlHost(host.replace(/^\[|\]$/g, ''))}:${port}`
}
